/**
 * The ports behind which V8 is: what a sampler takes and gives. Everything that knows the inspector or a native
 * package is in this folder; what comes out is raw, in V8's words.
 */

/** A function, or one line of it, as V8 names it. */
export interface RawFrame {
  /** V8's name: empty for an anonymous function, `(program)` and the like for what is none. */
  readonly functionName: string;
  /** The class of what it was called on, where the sampler knows that. */
  readonly className?: string;
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
}

/** A frame that stands for no code, such as `(program)`. */
export function namedFrame(functionName: string, className?: string): RawFrame {
  return {
    functionName,
    ...(className !== undefined && { className }),
    url: '',
    scriptId: 0,
    functionLine: 0,
    functionColumn: 0,
    line: 0,
  };
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
}

/**
 * Work that yields now and then, so that whoever drives it can give the event loop a turn. What has to happen at once
 * has happened when it is returned.
 */
export type Sliced<T> = Generator<void, T>;

/** A CPU recording under way. */
export interface CpuRecording {
  /** Ends it, and frees what it holds in V8. */
  stop(): Sliced<CpuSamples>;
}

/** Takes CPU samples of the calling thread. */
export interface CpuSampler {
  /** Told in each profile's comments. */
  readonly name: SamplerName;
  /** @param hz samples per second */
  start(hz: number): CpuRecording;
}

/** Objects of one size, allocated at one node of a call tree. */
export interface SampledObjects {
  readonly node: number;
  readonly count: number;
  readonly bytes: number;
}

/** Objects on the heap, scaled to all from those that were sampled. */
export interface HeapSamples {
  readonly tree: CallTree;
  readonly objects: readonly SampledObjects[];
  /** Mean number of bytes between two samples, as the samples tell it; another than was asked for if someone else started V8's sampler. */
  readonly rate: number;
  /** What a reader of the profile has to know. */
  readonly caveat?: string | undefined;
}

/** Go's own rate, in bytes. */
export const DEFAULT_HEAP_RATE = 524_288;

/** What V8's heap sampler knew when it was read. */
export interface HeapReading {
  /** Readings of the same epoch have samples of the same run of V8's sampler. */
  readonly epoch: HeapEpoch;
  /** Of the newest sample: V8 numbers them in the order of the allocations. */
  readonly lastOrdinal: number;
  /** What is alive; undefined while the sampler keeps objects dead or alive. */
  readonly live: (() => Sliced<HeapSamples>) | undefined;
  /**
   * What was sampled after an ordinal; of what has died since only what the epoch keeps. Objects are told by exact
   * sizes only after {@link live}, where the sampler knows them.
   */
  allocatedAfter(ordinal: number): Sliced<HeapSamples>;
}

/** A run of V8's sampler. It forgets all when it is started anew. */
export interface HeapEpoch {
  /** Objects that have died are kept too. */
  readonly keepsDead: boolean;
  /** What was on the heap when it began, and is not tracked; undefined for the first one, which tracks all. */
  readonly before: HeapBefore | undefined;
}

export interface HeapBefore {
  /** A window of allocations began or ended, or someone else has stopped V8's sampler. */
  readonly cause: 'window' | 'stop';
  readonly time: Date;
  readonly heapUsed: number;
}

/** A point in the order of the allocations. */
export interface HeapMark {
  readonly epoch: HeapEpoch;
  readonly ordinal: number;
}

/** Samples the allocations of the calling thread's heap. V8 has one such sampler per isolate. */
export interface HeapSampler {
  readonly name: SamplerName;
  /** Mean number of bytes between two samples that was asked for. */
  readonly rate: number;
  /** V8's sampler is not someone else's, who would lose its samples. */
  readonly canKeepDead: boolean;
  read(): HeapReading;
  /**
   * Begins to keep dead objects too, in an epoch of its own, until as many {@link dropDead} have come.
   *
   * @returns the newest sample
   */
  keepDead(): HeapMark;
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
}
