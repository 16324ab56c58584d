import { heapSamplesOf, type SamplingHeapProfile } from './heap-samples.js';
import { inspectorProblem, InspectorSession } from './inspector-session.js';
import type { PprofAllocationNode } from './pprof-samples.js';
import type { HeapEpoch, HeapReading, HeapSampler, SamplerName } from './sampler.js';

/**
 * V8's frame limit of a heap sample. Node 26 accepts a larger one and aborts the process when such a profile is
 * read (its JSON nests too deep); older versions have this one and no other.
 */
const STACK_DEPTH = 128;

/** The `pprof` package's binding to V8's heap sampler. */
export interface PprofHeapBinding {
  /** Does nothing where V8 samples already. */
  startSamplingHeapProfiler(intervalBytes: number, stackDepth: number): void;
  /** Crashes the process where V8 does not sample. */
  getAllocationProfile(): PprofAllocationNode;
  stopSamplingHeapProfiler(): void;
}

/**
 * The one owner of V8's heap sampler, of which there is one per isolate.
 *
 * With `pprof` the package starts it, and no inspector session stays connected: one is opened for each reading, since only
 * the inspector numbers the samples. The inspector starts it where there is no `pprof`, and while dead objects are kept,
 * which `pprof` cannot ask for; V8 stops it when the session that started it is closed.
 */
export class V8HeapSampler implements HeapSampler {
  readonly name: SamplerName;
  readonly uncounted = inspectorProblem();
  isForeign: boolean;
  private epoch: HeapEpoch = { keepsDead: false, before: undefined };
  /** The one that started V8's sampler, if the inspector did. */
  private session: InspectorSession | undefined;
  private lastOrdinal = 0;
  /** Sizes of the last reading's samples, by ordinal. */
  private sizes: ReadonlyMap<number, number> = new Map();
  private keepers = 0;

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
    if (this.keepers++ === 0) this.restart(true);
  }

  forgetDead(): void {
    if (this.keepers > 0) this.restart(true);
  }

  dropDead(): void {
    if (--this.keepers === 0) this.restart(false);
  }

  stop(): void {
    process.off('exit', this.stopAtExit);
    if (!this.isForeign) this.stopV8();
  }

  /** Node 24 crashes when it ends while a sampler runs that `pprof` started. */
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

  /** A sampler that starts knows nothing of what is on the heap, and numbers samples from 1 again. */
  private forget(cause: 'window' | 'stop', keepsDead: boolean, isForeign: boolean): void {
    const before = { cause, time: new Date(), heapUsed: process.memoryUsage().heapUsed };
    this.epoch = { keepsDead, before };
    this.lastOrdinal = 0;
    this.sizes = new Map();
    this.isForeign = isForeign;
  }

  /** Whether someone has stopped the sampler and started another one: samples of its number were not there before. */
  private isOfAnother({ samples }: SamplingHeapProfile): boolean {
    return samples.some(
      ({ ordinal, size }) => ordinal <= this.lastOrdinal && this.sizes.get(ordinal) !== size,
    );
  }

  /** If someone else has stopped the sampler, that of a new one. */
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

  /** Started first, in the same tick: to read a sampler that does not run crashes the process. */
  private nativeProfile(): PprofAllocationNode | undefined {
    this.pprof?.startSamplingHeapProfiler(this.rate, STACK_DEPTH);
    return this.pprof?.getAllocationProfile();
  }
}

/**
 * Whether V8 samples already: `--heap-prof` does, and writes its file at exit. V8 tells only by its whole profile,
 * which is small when a process starts.
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
