import type { Readable } from 'node:stream';

/**
 * The interfaces of samplers. All code that uses the inspector or a native package is in this folder; it returns V8's data
 * unchanged.
 */

/** A function, or one line of it, as V8 reports it. */
export interface RawFrame {
  /** V8's name: empty for an anonymous function, or a name such as `(program)` if it is not a function. */
  readonly functionName: string;
  /** Path, `file:` URL or `node:` name of the script; empty if it is not a function. */
  readonly url: string;
  /** V8's script id in this process; 0 if it is not in a script. */
  readonly scriptId: number;
  /** First line of the function, one-based; 0 if the sampler does not report it. */
  readonly functionLine: number;
  /** Column at which the function begins, one-based; 0 if the sampler does not report it. */
  readonly functionColumn: number;
  /** The executing line, or {@link functionLine} if the sampler does not report it; one-based, 0 for none. */
  readonly line: number;
  /** Executing column, one-based; omitted if the sampler does not report it. */
  readonly column?: number;
}

/** Stacks as a tree that shares callers. A node's parent precedes it; the parent of an outermost frame is -1. */
export interface CallTree {
  readonly frames: readonly RawFrame[];
  /** Frame of each node: an index into {@link frames}. */
  readonly frameOf: readonly number[];
  /** Caller of each node. */
  readonly parentOf: readonly number[];
}

/** CPU time that is not in the tree: a stack of names, outermost first. */
export interface TimeApart {
  readonly names: readonly string[];
  readonly nanos: number;
}

/** Individual samples in order. */
export interface Timeline {
  /** By a clock with an arbitrary origin. */
  readonly startMicros: number;
  /** Innermost node of each sample. */
  readonly nodes: readonly number[];
  /** Time between each sample and the previous one. */
  readonly deltasMicros: readonly number[];
}

/** CPU samples of a span of time. */
export interface CpuSamples {
  readonly tree: CallTree;
  /** Number of samples in which each node is innermost. */
  readonly hits: readonly number[];
  /** Time for which each node was innermost, in nanoseconds; {@link weighed} describes how it is measured. */
  readonly nanos: ArrayLike<number>;
  readonly apart: readonly TimeApart[];
  readonly durationNanos: number;
  /** Description of how the time was measured. */
  readonly weighed: string;
  /** If the sampler reports individual samples. */
  readonly timeline?: Timeline;
  /** The sampler's longest hold of the event loop between start and stop, in ms, if there was one. */
  readonly longestHoldMs?: number;
}

/**
 * Work that yields now and then, so that its caller can let the event loop run. Everything that must happen immediately has
 * happened when the generator is returned.
 */
export type Sliced<T> = Generator<void, T>;

/** A CPU recording in progress. */
export interface CpuRecording {
  /** When V8's profiler was started, if it was already running. */
  readonly runningSince?: Date;
  /** A comment for readers of the profile. */
  readonly note?: string;
  /** Ends it, and frees its resources in V8. */
  stop(): Sliced<CpuSamples>;
}

/** Limits of a CPU sampler's rate, in samples per second. */
export const CPU_RATE = { min: 1, max: 1000 } as const;

/** Samples the CPU use of the calling thread. */
export interface CpuSampler {
  /** Shown in each profile's comments. */
  readonly name: SamplerName;
  /**
   * @param hz samples per second
   * @param isAfterGc whether garbage was collected right before, so that a profiler started now knows all code
   */
  start(hz: number, isAfterGc?: boolean): CpuRecording;
}

/** Options of a profiler that is kept running: its rate, and how many of the last seconds are recorded. */
export interface WarmOptions {
  readonly hz: number;
  /** 0 to record none. */
  readonly pastSeconds: number;
}

/** A profiler that is kept running. */
export interface KeptProfiler extends WarmOptions {
  readonly since: Date;
  /** The samples of the last seconds, as far as they are recorded, with the actual start and length. */
  recent(seconds: number): {
    readonly begin: Date;
    readonly seconds: number;
    readonly samples: Sliced<CpuSamples>;
  };
}

/** A module's use of the process's warm profiler. */
export interface WarmMember {
  /** The profiler, if a module of the process keeps it running all the time. */
  readonly kept: KeptProfiler | undefined;
  /** Ends the use; the profiler stops when the last module calls this. */
  leave(): void;
}

/** V8's profiler, which keeps running after a capture, so that it need not be started for the next one. */
export interface WarmProfiler {
  /**
   * @param always keeps it running from now on; without it, it runs for two minutes after a capture
   * @throws Error if it does not start
   */
  join(always?: WarmOptions): WarmMember;
}

/** A part of a hold of the event loop. */
export interface HoldShare {
  /** What was executing, outermost first. */
  readonly stack: readonly RawFrame[];
  readonly micros: number;
}

/** Detects holds of the event loop. */
export interface LoopWatch {
  /** The reason why stacks of new holds are unknown; undefined if they are known. */
  readonly unnamed: string | undefined;
  /** @param thresholdMs report longer holds from now on; 0 to report none */
  set(thresholdMs: number): void;
  /** Reports all holds so far. Otherwise a hold is reported when V8 returns its samples, up to ten seconds later. */
  settle(): Sliced<void>;
}

/**
 * Creates a watch of the event loop, which is off at first.
 *
 * @param options options of the profiler while it is on
 * @param report called for each hold, with all its parts
 */
export type WatchLoop = (options: WarmOptions, report: (shares: readonly HoldShare[]) => void) => LoopWatch;

/** Objects of one size, allocated at one node of a call tree; scaled from the sampled objects to all objects. */
export interface SampledObjects {
  readonly node: number;
  readonly count: number;
  readonly bytes: number;
}

/** Samples of one reading of the heap sampler. */
export interface HeapSamples {
  readonly tree: CallTree;
  /** Live objects; undefined while dead objects are kept, since V8 does not distinguish them. */
  readonly live: readonly SampledObjects[] | undefined;
  /** Objects sampled since the previous reading; collected ones only if they are kept. */
  readonly allocated: readonly SampledObjects[];
  /** Comments for readers of the profile. */
  readonly caveats: readonly string[];
}

/** Go's default rate, in bytes. */
export const DEFAULT_HEAP_RATE = 524_288;

/** A run of V8's heap sampler. Starting the sampler drops its previous samples. */
export interface HeapEpoch {
  /** Whether dead objects are kept, too. */
  readonly keepsDead: boolean;
  /** The untracked objects from before it began; undefined for the first epoch. */
  readonly before:
    | {
        /** A window of allocs began or ended, or another tool stopped the sampler. */
        readonly cause: 'window' | 'stop';
        readonly time: Date;
        readonly heapUsed: number;
      }
    | undefined;
}

/** One reading of V8's heap sampler. */
export interface HeapReading {
  readonly epoch: HeapEpoch;
  samples(): Sliced<HeapSamples>;
}

/** Samples allocations on the calling thread's heap. V8 has one such sampler per isolate. */
export interface HeapSampler {
  readonly name: SamplerName;
  /** Mean number of bytes between two samples. */
  readonly rate: number;
  /** Whether another tool started V8's sampler: its rate is unknown, and the tool would lose its samples if it were restarted. */
  readonly isForeign: boolean;
  /** The reason why allocations can't be counted, so that only {@link readLive} works; undefined if they can. */
  readonly uncounted?: string | undefined;
  /** Reads live objects, and allocations since the previous call. */
  read(): HeapReading;
  /** Reads live objects. If the sampler supports it, holds the event loop for less time than {@link read} and counts no allocations. */
  readLive(): HeapReading;
  /** Begins an epoch that keeps dead objects, until {@link dropDead} was called as many times. */
  keepDead(): void;
  /** While dead objects are kept, begins another such epoch, which drops the ones so far. */
  forgetDead(): void;
  dropDead(): void;
  stop(): void;
}

/** The samplers: the `pprof` package, and Node's built-in `node:inspector`. */
export const SAMPLER_NAMES = ['pprof', 'inspector'] as const;

export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** The CPU and heap samplers that a module uses. */
export interface Sampling {
  readonly name: SamplerName;
  readonly cpu: CpuSampler;
  startHeap(rate: number): HeapSampler;
  /** Present if the profiler keeps running after CPU captures. */
  readonly warm?: WarmProfiler;
  /** The reason why it can't keep running. */
  readonly cold?: string | undefined;
  readonly watchLoop: WatchLoop;
  readonly notice?: SamplingNotice | undefined;
  /**
   * Takes a snapshot of the heap, which holds the event loop.
   *
   * @returns its JSON, which is kept until it is read or destroyed
   * @throws Error if there is no room for it
   */
  takeHeapSnapshot(): Readable;
}

/** What operators should know of the samplers of this process. */
export interface SamplingNotice {
  /**
   * - `instead`: the inspector samples, since `pprof` cannot
   * - `limited`: some of the profiles do not work
   * - `none`: nothing samples
   */
  readonly kind: 'instead' | 'limited' | 'none';
  /** Why, in a sentence without a full stop. */
  readonly text: string;
}

/** The samplers of one kind, without what depends on the process. */
export type Samplers = Pick<Sampling, 'name' | 'cpu' | 'startHeap'>;
