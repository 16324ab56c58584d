import { heapSamplesOf, type SamplingHeapProfile } from './heap-samples.js';
import { inspectorProblem, InspectorSession } from './inspector-session.js';
import type { PprofAllocationNode } from './pprof-samples.js';
import type { HeapEpoch, HeapReading, HeapSampler, SamplerName } from './sampler.js';

/**
 * Maximum number of frames of a heap sample. Node 26 accepts a larger limit, but aborts the process when such a profile is read (its
 * JSON is nested too deeply); older versions support only this one.
 */
const STACK_DEPTH = 128;

/** The `pprof` package's binding to V8's heap sampler. */
export interface PprofHeapBinding {
  /** Does nothing if V8 is already sampling. */
  startSamplingHeapProfiler(intervalBytes: number, stackDepth: number): void;
  /** Crashes the process if V8 is not sampling. */
  getAllocationProfile(): PprofAllocationNode;
  stopSamplingHeapProfiler(): void;
}

/**
 * The only owner of V8's heap sampler, of which there is one per isolate.
 *
 * With `pprof`, the package starts it, and no inspector session stays connected: one is opened for each reading, since only the
 * inspector numbers the samples. Without `pprof`, and while dead objects are kept, which `pprof` does not support, the inspector starts
 * it; V8 stops it when the session that started it is closed.
 */
export class V8HeapSampler implements HeapSampler {
  readonly name: SamplerName;
  readonly uncounted = inspectorProblem();
  isForeign: boolean;
  private epoch: HeapEpoch = { keepsDead: false, before: undefined };
  /** The session that started V8's sampler, if the inspector did. */
  private session: InspectorSession | undefined;
  private lastOrdinal = 0;
  /** Sizes of the samples in the last reading, by ordinal. */
  private sizes: ReadonlyMap<number, number> = new Map();
  private keepDeadUsers = 0;

  constructor(
    readonly rate: number,
    private readonly pprof?: PprofHeapBinding,
  ) {
    this.name = pprof ? 'pprof' : 'inspector';
    this.isForeign = this.uncounted === undefined && isSampling();
    if (!this.isForeign) this.start();
    process.once('exit', this.stopAtExit);
  }

  read(): HeapReading {
    const profile = this.profile();
    if (this.isOfAnother(profile)) this.forget('stop', this.epoch.keepsDead, true);
    const { epoch, rate, lastOrdinal: after } = this;
    const native = epoch.keepsDead ? undefined : this.nativeProfile();
    this.lastOrdinal = profile.samples.reduce((last, { ordinal }) => Math.max(last, ordinal), after);
    this.sizes = new Map(profile.samples.map(({ ordinal, size }) => [ordinal, size]));
    return {
      epoch,
      samples: () => heapSamplesOf({ profile, native, after, rate, keepsDead: epoch.keepsDead }),
    };
  }

  readLive(): HeapReading {
    const { epoch, rate } = this;
    const native = epoch.keepsDead ? undefined : this.nativeProfile();
    if (!native && !epoch.keepsDead) return this.read();
    const raw = { profile: undefined, native, after: 0, rate, keepsDead: epoch.keepsDead };
    return { epoch, samples: () => heapSamplesOf(raw) };
  }

  keepDead(): void {
    if (this.keepDeadUsers++ === 0) this.restart(true);
  }

  forgetDead(): void {
    if (this.keepDeadUsers > 0) this.restart(true);
  }

  dropDead(): void {
    if (--this.keepDeadUsers === 0) this.restart(false);
  }

  stop(): void {
    process.off('exit', this.stopAtExit);
    if (!this.isForeign) this.stopV8();
  }

  /** Node 24 crashes at exit if a sampler that `pprof` started is still running. */
  private readonly stopAtExit = (): void => this.stop();

  private start(): void {
    const { keepsDead } = this.epoch;
    if (this.pprof && !keepsDead) return this.pprof.startSamplingHeapProfiler(this.rate, STACK_DEPTH);
    this.session = new InspectorSession();
    this.session.post('HeapProfiler.startSampling', {
      samplingInterval: this.rate,
      stackDepth: STACK_DEPTH,
      includeObjectsCollectedByMajorGC: keepsDead,
      includeObjectsCollectedByMinorGC: keepsDead,
    });
  }

  private stopV8(): void {
    if (this.session) this.closeSession();
    else this.pprof?.stopSamplingHeapProfiler();
  }

  private closeSession(): void {
    this.session?.close();
    this.session = undefined;
  }

  private restart(keepsDead: boolean): void {
    this.stopV8();
    this.begin('window', keepsDead);
  }

  private begin(cause: 'window' | 'stop', keepsDead: boolean): void {
    this.forget(cause, keepsDead, false);
    this.start();
  }

  /** A new sampler knows nothing about existing objects, and numbers samples from 1 again. */
  private forget(cause: 'window' | 'stop', keepsDead: boolean, isForeign: boolean): void {
    const before = { cause, time: new Date(), heapUsed: process.memoryUsage().heapUsed };
    this.epoch = { keepsDead, before };
    this.lastOrdinal = 0;
    this.sizes = new Map();
    this.isForeign = isForeign;
  }

  /** Whether another tool has restarted the sampler: then an old ordinal has a sample that did not exist before. */
  private isOfAnother({ samples }: SamplingHeapProfile): boolean {
    return samples.some(
      ({ ordinal, size }) => ordinal <= this.lastOrdinal && this.sizes.get(ordinal) !== size,
    );
  }

  /** The profile. If another tool has stopped the sampler, starts a new one. */
  private profile(): SamplingHeapProfile {
    try {
      return this.profileBySession();
    } catch {
      this.closeSession();
      this.begin('stop', this.epoch.keepsDead);
      return this.profileBySession();
    }
  }

  private profileBySession(): SamplingHeapProfile {
    const session = this.session ?? new InspectorSession();
    try {
      return session.post<{ profile: SamplingHeapProfile }>('HeapProfiler.getSamplingProfile').profile;
    } finally {
      if (session !== this.session) session.close();
    }
  }

  /** Calls start first, in the same tick, because reading a stopped sampler crashes the process. */
  private nativeProfile(): PprofAllocationNode | undefined {
    this.pprof?.startSamplingHeapProfiler(this.rate, STACK_DEPTH);
    return this.pprof?.getAllocationProfile();
  }
}

/**
 * Whether V8 is already sampling, for example with `--heap-prof`, which writes its file at exit. The only way to find out is to read
 * the whole profile, which is small when a process starts.
 */
function isSampling(): boolean {
  const session = new InspectorSession();
  try {
    session.post('HeapProfiler.getSamplingProfile');
    return true;
  } catch {
    return false;
  } finally {
    session.close();
  }
}
