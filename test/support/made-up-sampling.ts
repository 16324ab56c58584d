import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import type {
  CallTree,
  CpuSamples,
  HeapEpoch,
  HeapReading,
  HeapSampler,
  HeapSamples,
  HoldShare,
  RawFrame,
  SampledObjects,
  Sampling,
  SamplingNotice,
  Sliced,
  WarmMember,
  WarmOptions,
  WatchLoop,
} from '../../src/sampling/sampler.js';

const frame = (functionName: string, functionLine: number, line = functionLine): RawFrame => ({
  functionName,
  url: functionName.startsWith('(') ? '' : 'file:///app/cats.js',
  scriptId: 7,
  functionLine,
  functionColumn: 1,
  line,
});

/** main calls hotA, which has the line 12 and the line 13, and hotB; then V8 was idle. */
const CPU_TREE: CallTree = {
  frames: [
    frame('main', 1, 3),
    frame('hotA', 10, 12),
    frame('hotA', 10, 13),
    frame('hotB', 20, 21),
    frame('(idle)', 0),
  ],
  frameOf: [0, 1, 2, 3, 4],
  parentOf: [-1, 0, 0, 0, -1],
};

/** 100 samples, 1.05 s of CPU time. */
const CPU_SAMPLES: CpuSamples = {
  tree: CPU_TREE,
  hits: [0, 50, 20, 30, 900],
  nanos: [0, 500e6, 200e6, 300e6, 0],
  apart: [{ names: ['(other threads)', 'v8:worker'], nanos: 50e6 }],
  durationNanos: 10e9,
  weighed: 'weighted by hand',
  timeline: { startMicros: 1000, nodes: [1, 2, 3, 4], deltasMicros: [10, 10, 10, 10] },
};

const HEAP_TREE: CallTree = {
  frames: [frame('main', 1), frame('hold', 30), frame('churn', 40)],
  frameOf: [0, 1, 2],
  parentOf: [-1, 0, 0],
};

/** 3 MB in use: 2 MB in 2,048 objects by hold, 1 MB in one by main. */
const LIVE: readonly SampledObjects[] = [
  { node: 1, count: 2048, bytes: 2 ** 21 },
  { node: 0, count: 1, bytes: 2 ** 20 },
];

/** A heap sampler that finds what it is told to. */
export class MadeUpHeap implements HeapSampler {
  readonly name = 'inspector';
  readonly isForeign = false;
  /** What is alive, and what the next reading finds new. */
  live = [...LIVE];
  allocated = [...LIVE];
  /** Windows that keep dead objects. */
  keepers = 0;
  epochs = 0;
  private epoch: HeapEpoch = { keepsDead: false, before: undefined };

  constructor(
    readonly rate: number,
    private readonly stopped: () => void,
  ) {}

  /** As if main had called churn, which allocated objects of 1 KiB and dropped them. */
  churn(count: number): void {
    if (this.epoch.keepsDead) this.allocated.push({ node: 2, count, bytes: count * 1024 });
  }

  /** As if main had called hold, which allocated objects of 1 KiB and kept them. */
  hold(count: number): void {
    const objects = { node: 1, count, bytes: count * 1024 };
    this.live.push(objects);
    this.allocated.push(objects);
  }

  read(): HeapReading {
    const { epoch, live } = this;
    const samples: HeapSamples = {
      tree: HEAP_TREE,
      live: epoch.keepsDead ? undefined : [...live],
      allocated: this.allocated,
      caveats: [],
    };
    this.allocated = [];
    return { epoch, samples: () => sliced(samples) };
  }

  readLive(): HeapReading {
    const { epoch, live } = this;
    const samples = {
      tree: HEAP_TREE,
      live: epoch.keepsDead ? undefined : [...live],
      allocated: [],
      caveats: [],
    };
    return { epoch, samples: () => sliced(samples) };
  }

  keepDead(): void {
    if (this.keepers++ === 0) this.begin(true);
  }

  forgetDead(): void {
    if (this.keepers > 0) this.begin(true);
  }

  dropDead(): void {
    if (--this.keepers === 0) this.begin(false);
  }

  stop(): void {
    this.stopped();
  }

  private begin(keepsDead: boolean): void {
    this.epochs++;
    this.live = [];
    this.epoch = { keepsDead, before: { cause: 'window', time: new Date(1e12), heapUsed: 2 ** 40 } };
  }
}

/** It has kept samples for ten seconds. */
const KEPT = {
  since: new Date(1e12),
  recent: (seconds: number) => ({
    begin: new Date(1.1e12),
    seconds: Math.min(seconds, 10),
    samples: sliced(CPU_SAMPLES),
  }),
};

/** V8's place in an application under test: it gives the same samples each time, and tells when it is asked. */
export class MadeUpSampling implements Sampling {
  readonly name = 'inspector' as const;
  /** CPU recordings and heap samplers that are started and not stopped. */
  running = { cpu: 0, heap: 0 };
  /** Rates of the CPU recordings so far. */
  readonly rates: number[] = [];
  private readonly events = new EventEmitter();

  readonly cpu = {
    name: this.name,
    start: (hz: number) => {
      this.running.cpu++;
      this.rates.push(hz);
      this.events.emit('begin');
      return {
        stop: () => {
          this.running.cpu--;
          this.events.emit('end');
          return sliced(CPU_SAMPLES);
        },
      };
    },
  };

  notice: SamplingNotice | undefined;

  /** Modules that use the warm profiler, and what it keeps. */
  warmMembers = 0;
  private kept: WarmMember['kept'];

  /** Why V8's profiler cannot be kept running: if it is set, traces do not start it, which takes 100 ms of CPU time here. */
  cold: string | undefined;

  get warm(): Sampling['warm'] {
    return this.cold === undefined ? this.warmth : undefined;
  }

  private readonly warmth = {
    join: (always?: WarmOptions): WarmMember => {
      this.warmMembers++;
      if (always && always.pastSeconds > (this.kept?.pastSeconds ?? -1)) this.kept = { ...KEPT, ...always };
      const keptNow = () => this.kept;
      return {
        get kept() {
          return keptNow();
        },
        leave: () => void this.warmMembers--,
      };
    },
  };

  /** Holds of the event loop that are longer are reported, in ms; 0: none. */
  threshold = 0;
  /** Why their stacks are not known. */
  unnamed: string | undefined;
  private reportHold: ((shares: readonly HoldShare[]) => void) | undefined;

  readonly watchLoop: WatchLoop = (_options, report) => {
    this.reportHold = report;
    const unnamedNow = () => this.unnamed;
    return {
      get unnamed() {
        return unnamedNow();
      },
      set: (ms) => void (this.threshold = ms),
      settle: () => sliced(undefined),
    };
  };

  /** As if functions that main called had held the event loop, each for so many ms. */
  holdLoop(times: Readonly<Record<string, number>>): void {
    const shares = Object.entries(times).map(([name, ms]) => ({
      stack: [frame('main', 1, 3), frame(name, 50, 51)],
      micros: ms * 1000,
    }));
    const total = shares.reduce((sum, { micros }) => sum + micros, 0);
    if (this.threshold > 0 && total > this.threshold * 1000) this.reportHold?.(shares);
  }

  /** The application's heap sampler, once it is started. */
  heap!: MadeUpHeap;

  startHeap(rate: number): MadeUpHeap {
    this.running.heap++;
    this.heap = new MadeUpHeap(rate, () => void this.running.heap--);
    return this.heap;
  }

  /** The JSON of the next heap snapshot, or what is thrown instead. */
  heapSnapshot: () => Readable = () => Readable.from([Buffer.from('{"snapshot":'), Buffer.from('{}}')]);
  /** Heap snapshots that were taken. */
  heapSnapshots = 0;

  takeHeapSnapshot(): Readable {
    this.heapSnapshots++;
    return this.heapSnapshot();
  }

  /** The next CPU recording is under way. */
  async begun(): Promise<void> {
    await once(this.events, 'begin');
  }

  /** The next CPU recording is over. */
  async ended(): Promise<void> {
    await once(this.events, 'end');
  }
}

function* sliced<T>(result: T): Sliced<T> {
  yield;
  return result;
}
