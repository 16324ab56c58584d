import { nowMicros } from './cpu-readings.js';
import type { CpuSegment } from './cpu-segment.js';
import { inspectorCpu } from './inspector.sampler.js';
import { type ProcessState, processState } from './process-state.js';
import { RunningProfiler } from './running-profiler.js';
import type { CpuSampler, WarmMember, WarmOptions, WarmProfiler } from './sampler.js';

/** How long the profiler stays warm after a capture, in ms. */
const WARM_FOR = 120_000;

/**
 * The reason why V8's profiler can't be kept warm although there is an inspector: the inspector sessions of Node's own profilers print
 * everything that they receive from `console.profile` to stderr.
 */
export function nodeProfiles(): string | undefined {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  if (/--cpu-prof\b/.test(options)) return 'Node itself profiles this process (--cpu-prof)';
  if (process.env.NODE_V8_COVERAGE) return 'Node measures the coverage of this process (NODE_V8_COVERAGE)';
  return undefined;
}

/** CPU samples by the inspector, whose profiler keeps running after the capture. */
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
 * Uses another sampler, and stops the warm profiler meanwhile: V8 leaks 2 to 4 MB for each profiler that is started while another
 * one is running, and takes twice as long to start it.
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

/** The warm profiler that all modules of a process share. */
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

/** Keeps segments of the process's warm profiler for a user that learns only later which of them it needs. */
export class SampleWatch {
  private readonly warm = processState().warm;
  private readonly member: WarmMember;
  /** Segments that have ended since {@link forget}. */
  private ended: CpuSegment[] = [];
  private readonly keep = (segment: CpuSegment): void => void this.ended.push(segment);

  /** @throws Error if the profiler does not start */
  constructor(options: WarmOptions) {
    this.member = warmProfiler.join(options);
    this.warm.watchers.add(this.keep);
  }

  /** The segments since {@link forget} with samples after a time, and their sampling rate. */
  since(micros: number): { readonly hz: number; readonly segments: readonly CpuSegment[] } | undefined {
    const { profiler } = this.warm;
    if (!profiler) return undefined;
    const current = profiler.isClosed ? [] : [profiler.current];
    const segments = [...this.ended, ...current].filter(({ endMicros }) => endMicros > micros);
    for (const segment of segments) segment.isKept = true;
    return { hz: profiler.hz, segments };
  }

  /** Drops the segments; call it regularly, or they accumulate. */
  forget(): void {
    if (this.ended.length > 0) this.ended = [];
  }

  /** The segments that have ended since the last call. */
  takeEnded(): readonly CpuSegment[] {
    const { ended } = this;
    this.ended = [];
    for (const segment of ended) segment.isKept = true;
    return ended;
  }

  /**
   * Ends the current segment, which V8 returns soon after.
   *
   * @param ms minimum length; a shorter segment continues
   */
  split(ms: number): void {
    const { profiler } = this.warm;
    if (profiler && nowMicros() - profiler.current.beginMicros >= ms * 1000) profiler.split();
  }

  /** Gets an ended segment from V8 at once. */
  handOut(segment: CpuSegment): void {
    this.warm.profiler?.handOut(segment);
  }

  /** Gets all samples up to now from V8 at once. */
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
    // the next capture starts it, or reports the error
  }
}

/** When no capture is running: keeps the profiler running as modules require, for a while, or not at all without modules. */
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

/** Whether it runs as a module requires, or as another module requires that keeps at least as much of the past. */
function suits({ profiler, startedFor }: Warm, { hz, pastSeconds }: WarmOptions): boolean {
  if (profiler?.isClosed !== false || profiler.pastSeconds < pastSeconds) return false;
  return startedFor !== undefined || profiler.hz === hz;
}

/** Restarts the profiler. Keeps recorded samples if they have the same rate. */
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
