import { nowMicros } from './cpu-readings.js';
import type { CpuSegment } from './cpu-segment.js';
import { inspectorCpu } from './inspector.sampler.js';
import { type ProcessState, processState } from './process-state.js';
import { RunningProfiler } from './running-profiler.js';
import type { CpuSampler, WarmMember, WarmOptions, WarmProfiler } from './sampler.js';

/** How long the profiler stays warm after a capture, in ms. */
const WARM_FOR = 120_000;

/**
 * Why V8's profiler cannot be kept warm, though there is an inspector: Node's own profilers have sessions that print all they are sent
 * of a `console.profile` to stderr.
 */
export function nodeProfiles(): string | undefined {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  if (/--cpu-prof\b/.test(options)) return 'Node itself profiles this process (--cpu-prof)';
  if (process.env.NODE_V8_COVERAGE) return 'Node measures the coverage of this process (NODE_V8_COVERAGE)';
  return undefined;
}

/** CPU samples by the inspector, whose profiler goes on running when the capture has ended. */
export const warmCpu: CpuSampler = {
  name: 'inspector',
  start(hz, isAfterGc = false) {
    const { warm } = processState();
    const running = warm.profiler?.isClosed === false ? warm.profiler : undefined;
    const isKept = running !== undefined && warm.always.length > 0;
    if (isKept && running.hz !== hz) {
      const note = `the warm profiler, which samples at ${running.hz} Hz, was stopped for this capture`;
      return { ...insteadOfWarm(inspectorCpu).start(hz), note };
    }
    const isWarm = running?.hz === hz && (isKept || !isAfterGc);
    if (!isWarm) restart(warm, { hz, pastSeconds: 0 });
    warm.isBusy = true;
    clearTimeout(warm.ending);
    return warm.profiler!.record(!isWarm, () => captureEnded(warm));
  },
};

/**
 * Samples by other means, and stops the warm profiler meanwhile: V8 loses 2 to 4 MB for each profiler that is started beside
 * a running one, and takes twice as long to start it.
 */
export function insteadOfWarm(cpu: CpuSampler): CpuSampler {
  return {
    name: cpu.name,
    start(hz, isAfterGc) {
      const { warm } = processState();
      warm.isBusy = true;
      clearTimeout(warm.ending);
      warm.profiler?.close();
      try {
        const { stop, ...recording } = cpu.start(hz, isAfterGc);
        return { ...recording, stop: () => andThen(stop, () => captureEnded(warm)) };
      } catch (error) {
        captureEnded(warm);
        throw error;
      }
    },
  };
}

function andThen<T>(work: () => T, next: () => void): T {
  try {
    return work();
  } finally {
    next();
  }
}

/** All modules of a process share one. */
export const warmProfiler: WarmProfiler = {
  join(always) {
    const { warm } = processState();
    if (always) warm.always.push(always);
    try {
      settle(warm);
    } catch (error) {
      if (always) remove(warm, always);
      throw error;
    }
    warm.members++;
    return {
      get kept() {
        return warm.always.length > 0 ? warm.profiler : undefined;
      },
      leave() {
        warm.members--;
        if (always) remove(warm, always);
        settle(warm);
      },
    };
  },
};

/** What the process's warm profiler samples, for one who learns only afterwards which of it matters. */
export class SampleWatch {
  private readonly warm = processState().warm;
  private readonly member: WarmMember;
  /** Those that have ended since {@link forget}. */
  private ended: CpuSegment[] = [];
  private readonly keep = (segment: CpuSegment): void => void this.ended.push(segment);

  /** @throws Error if the profiler does not start */
  constructor(options: WarmOptions) {
    this.member = warmProfiler.join(options);
    this.warm.watchers.add(this.keep);
  }

  /** Segments since {@link forget} that have samples after a moment, with the rate of their samples. */
  since(micros: number): { readonly hz: number; readonly segments: readonly CpuSegment[] } | undefined {
    const { profiler } = this.warm;
    if (!profiler) return undefined;
    const current = profiler.isClosed ? [] : [profiler.current];
    const segments = [...this.ended, ...current].filter(({ endMicros }) => endMicros > micros);
    for (const segment of segments) segment.isKept = true;
    return { hz: profiler.hz, segments };
  }

  /** To be called again and again, or segments pile up. */
  forget(): void {
    if (this.ended.length > 0) this.ended = [];
  }

  /** Segments that have ended since it was asked before. */
  takeEnded(): readonly CpuSegment[] {
    const { ended } = this;
    this.ended = [];
    for (const segment of ended) segment.isKept = true;
    return ended;
  }

  /**
   * Ends the current segment, which V8 hands out soon after.
   *
   * @param ms not if it is shorter
   */
  split(ms: number): void {
    const { profiler } = this.warm;
    if (profiler && nowMicros() - profiler.current.beginMicros >= ms * 1000) profiler.split();
  }

  /** Has V8 hand out at once a segment that has ended. */
  handOut(segment: CpuSegment): void {
    this.warm.profiler?.handOut(segment);
  }

  /** Has V8 hand out at once what it has sampled up to now. */
  cut(): void {
    this.warm.profiler?.cut();
  }

  leave(): void {
    this.warm.watchers.delete(this.keep);
    this.member.leave();
  }
}

type Warm = ProcessState['warm'];

function remove({ always }: Warm, options: WarmOptions): void {
  always.splice(always.indexOf(options), 1);
}

function captureEnded(warm: Warm): void {
  warm.isBusy = false;
  try {
    settle(warm);
  } catch {
    // the next capture starts it, or says why it cannot
  }
}

/** Once no capture runs: keeps it running as the modules want it, or for a while, or not at all if there is none. */
function settle(warm: Warm): void {
  if (warm.isBusy) return;
  clearTimeout(warm.ending);
  const wanted = warm.always.toSorted((a, b) => b.pastSeconds - a.pastSeconds)[0];
  if (wanted) {
    if (!suits(warm, wanted)) restart(warm, wanted);
  } else if (warm.members === 0) {
    end(warm);
  } else {
    warm.ending = setTimeout(() => end(warm), WARM_FOR).unref();
  }
}

/** Whether it runs as a module wants it, or as another one that keeps even more of the past. */
function suits({ profiler, startedFor }: Warm, { hz, pastSeconds }: WarmOptions): boolean {
  if (profiler?.isClosed !== false || profiler.pastSeconds < pastSeconds) return false;
  return startedFor !== undefined || profiler.hz === hz;
}

/** What it has kept of the past stays, if that was sampled at the same rate. */
function restart(warm: Warm, options: WarmOptions): void {
  const { profiler } = warm;
  end(warm);
  const past = profiler?.hz === options.hz ? profiler.past : [];
  warm.profiler = new RunningProfiler(options.hz, options.pastSeconds, past, (segment) => {
    for (const watcher of warm.watchers) watcher(segment);
    return warm.watchers.size > 0;
  });
  warm.startedFor = warm.always.includes(options) ? options : undefined;
}

function end(warm: Warm): void {
  clearTimeout(warm.ending);
  warm.profiler?.close();
  warm.profiler = undefined;
}
