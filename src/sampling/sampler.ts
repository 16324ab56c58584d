import type { Readable } from 'node:stream';

/**
 * The ports behind which V8 is: what a sampler takes and gives. Everything that knows the inspector or a native
 * package is in this folder; what comes out is raw, in V8's words.
 */

/** A function, or one line of it, as V8 names it. */
export interface RawFrame {
  /** V8's name: empty for an anonymous function, `(program)` and the like for what is none. */
  readonly functionName: string;
  /** Path, `file:` URL or `node:` name of the script; empty for what is no function. */
  readonly url: string;
  /** V8's number of the script, good for this run of the process; 0 for what is in none. */
  readonly scriptId: number;
  /** Where the function begins, from 1; 0 where the sampler does not say. */
  readonly functionLine: number;
  /** From 1; 0 where the sampler does not say. */
  readonly functionColumn: number;
  /** The line that was executing, or {@link functionLine} where the sampler knows no better; from 1, 0 for none. */
  readonly line: number;
  /** In that line, from 1; left out where the sampler does not say. */
  readonly column?: number;
}

/** Stacks that share their callers. A node's parent comes before it; the parent of an outermost frame is -1. */
export interface CallTree {
  readonly frames: readonly RawFrame[];
  /** For each node its frame: an index into {@link frames}. */
  readonly frameOf: readonly number[];
  /** For each node the node that called it. */
  readonly parentOf: readonly number[];
}

/** CPU time that no stack of the tree has: what took it, outermost first. */
export interface TimeApart {
  readonly names: readonly string[];
  readonly nanos: number;
}

/** The samples one by one, as they came. */
export interface Timeline {
  /** Of a clock that has no meaning of its own. */
  readonly startMicros: number;
  /** For each sample the node that was innermost. */
  readonly nodes: readonly number[];
  /** For each sample the time since the one before it. */
  readonly deltasMicros: readonly number[];
}

/** CPU samples of a span of time. */
export interface CpuSamples {
  readonly tree: CallTree;
  /** For each node how often it was the innermost one. */
  readonly hits: readonly number[];
  /** For each node how long it was the innermost one, in nanoseconds as {@link weighed} says. */
  readonly nanos: ArrayLike<number>;
  readonly apart: readonly TimeApart[];
  readonly durationNanos: number;
  /** What the nanoseconds are, in words. */
  readonly weighed: string;
  /** Where the sampler knows it. */
  readonly timeline?: Timeline;
  /** The longest time, in ms, that the sampler has held the event loop between start and stop, where it did. */
  readonly longestHoldMs?: number;
}

/**
 * Work that yields now and then, so that whoever drives it can give the event loop a turn. What has to happen at once
 * has happened when it is returned.
 */
export type Sliced<T> = Generator<void, T>;

/** A CPU recording under way. */
export interface CpuRecording {
  /** When V8's profiler was started, if that was before the recording. */
  readonly runningSince?: Date;
  /** What a reader of the profile has to know of its start. */
  readonly note?: string;
  /** Ends it, and frees what it holds in V8. */
  stop(): Sliced<CpuSamples>;
}

/** Limits of a CPU sampler's rate, in samples per second. */
export const CPU_RATE = { min: 1, max: 1000 } as const;

/** Takes CPU samples of the calling thread. */
export interface CpuSampler {
  /** Told in each profile's comments. */
  readonly name: SamplerName;
  /**
   * @param hz samples per second
   * @param isAfterGc garbage was collected right before, so that a profiler that is started now knows all code
   */
  start(hz: number, isAfterGc?: boolean): CpuRecording;
}

/** A profiler that is kept running: its rate, and how many of the last seconds are kept. */
export interface WarmOptions {
  readonly hz: number;
  /** 0: none. */
  readonly pastSeconds: number;
}

/** A profiler that is kept running. */
export interface KeptProfiler extends WarmOptions {
  readonly since: Date;
  /** The last seconds, as far as they were kept: when they began, and how many they are. */
  recent(seconds: number): {
    readonly begin: Date;
    readonly seconds: number;
    readonly samples: Sliced<CpuSamples>;
  };
}

/** A module's part in the process's warm profiler. */
export interface WarmMember {
  /** The profiler, if a module of the process keeps it running. */
  readonly kept: KeptProfiler | undefined;
  /** The last module that leaves ends the profiler. */
  leave(): void;
}

/** V8's profiler where it goes on running when a capture has ended, so that it need not be started for the next one. */
export interface WarmProfiler {
  /**
   * @param always keep it running from now on; otherwise it runs for two minutes after a capture
   * @throws Error if it does not start
   */
  join(always?: WarmOptions): WarmMember;
}

/** Part of a hold of the event loop. */
export interface HoldShare {
  /** What was executing, outermost first. */
  readonly stack: readonly RawFrame[];
  readonly micros: number;
}

/** Looks for times during which the event loop can run nothing else. */
export interface LoopWatch {
  /** Why the stacks of new holds are not known; undefined if they are. */
  readonly unnamed: string | undefined;
  /** @param thresholdMs reports holds that are longer from now on; 0: none */
  set(thresholdMs: number): void;
  /** Reports all holds so far. Otherwise one is reported when V8 has handed out its samples, up to ten seconds later. */
  settle(): Sliced<void>;
}

/**
 * Makes a watch of the event loop; it is off.
 *
 * @param options how the profiler is kept running while it is on
 * @param report called for each hold, with all parts of it
 */
export type WatchLoop = (options: WarmOptions, report: (shares: readonly HoldShare[]) => void) => LoopWatch;

/** Objects of one size, allocated at one node of a call tree; scaled to all objects from those that were sampled. */
export interface SampledObjects {
  readonly node: number;
  readonly count: number;
  readonly bytes: number;
}

/** What a reading of the heap sampler found. */
export interface HeapSamples {
  readonly tree: CallTree;
  /** What is alive; undefined while dead objects are kept, which V8 does not tell from live ones. */
  readonly live: readonly SampledObjects[] | undefined;
  /** What was sampled since the reading before; of what has died since then, only what was kept. */
  readonly allocated: readonly SampledObjects[];
  /** What a reader of the profile has to know. */
  readonly caveats: readonly string[];
}

/** Go's own rate, in bytes. */
export const DEFAULT_HEAP_RATE = 524_288;

/** A run of V8's heap sampler. Starting it makes V8 forget what it has sampled. */
export interface HeapEpoch {
  /** Dead objects are kept too. */
  readonly keepsDead: boolean;
  /** What was on the heap when it began, and is not tracked; undefined for the first one, which tracks all. */
  readonly before:
    | {
        /** A window of allocations began or ended, or someone else had stopped the sampler. */
        readonly cause: 'window' | 'stop';
        readonly time: Date;
        readonly heapUsed: number;
      }
    | undefined;
}

/** One look at V8's heap sampler. */
export interface HeapReading {
  readonly epoch: HeapEpoch;
  samples(): Sliced<HeapSamples>;
}

/** Samples the allocations of the calling thread's heap. V8 has one such sampler per isolate. */
export interface HeapSampler {
  readonly name: SamplerName;
  /** Mean number of bytes between two samples. */
  readonly rate: number;
  /** Someone else started V8's sampler, at a rate that V8 does not tell, and would lose their samples if it were restarted. */
  readonly isForeign: boolean;
  /** Why allocations cannot be counted, so that only {@link readLive} works; undefined if they can. */
  readonly uncounted?: string | undefined;
  /** What is alive, and what is new since the last such reading: to count allocations, all of them are needed. */
  read(): HeapReading;
  /** What is alive. It holds the event loop for less time than {@link read} where the sampler can, and then counts nothing. */
  readLive(): HeapReading;
  /** Begins an epoch that keeps dead objects, until {@link dropDead} has been called as often. */
  keepDead(): void;
  /** While dead objects are kept: begins another such epoch, so that V8 does not keep them for ever. */
  forgetDead(): void;
  dropDead(): void;
  stop(): void;
}

/** The samplers there are: the `pprof` package, and Node's built-in `node:inspector`. */
export const SAMPLER_NAMES = ['pprof', 'inspector'] as const;

export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** One way of sampling: both questions answered by the same means. */
export interface Sampling {
  readonly name: SamplerName;
  readonly cpu: CpuSampler;
  startHeap(rate: number): HeapSampler;
  /** Where captures of the CPU leave the profiler running. */
  readonly warm?: WarmProfiler;
  /** Why they cannot. */
  readonly cold?: string | undefined;
  readonly watchLoop: WatchLoop;
  /**
   * Takes a snapshot of the heap, which holds the event loop.
   *
   * @returns its JSON, which is kept until it is read or destroyed
   * @throws Error if there is no room for it
   */
  takeHeapSnapshot(): Readable;
}

/** One way of sampling, without what only a process as a whole can say. */
export type Samplers = Pick<Sampling, 'name' | 'cpu' | 'startHeap'>;
