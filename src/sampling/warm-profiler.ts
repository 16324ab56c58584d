import { inspectorCpu } from './inspector.sampler.js';
import { type ProcessState, processState } from './process-state.js';
import { RunningProfiler } from './running-profiler.js';
import type { CpuRecording, CpuSampler, WarmOptions, WarmProfiler } from './sampler.js';

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
    if (warm.always > 0 && warm.profiler!.hz !== hz) return coldBeside(warm.profiler!.hz, hz);
    const isWarm = warm.profiler?.hz === hz && (warm.always > 0 || !isAfterGc);
    if (!isWarm) restart(warm, { hz, pastSeconds: 0 });
    warm.isRecording = true;
    clearTimeout(warm.ending);
    return warm.profiler!.record(!isWarm, () => {
      warm.isRecording = false;
      endUnused(warm);
    });
  },
};

/** V8 has one rate for all profiles of a session, so this one is in a session of its own. */
function coldBeside(warmHz: number, hz: number): CpuRecording {
  const note = `V8's profiler was started for this capture: the warm one samples at ${warmHz} Hz`;
  return { ...inspectorCpu.start(hz), note };
}

/** All modules of a process share one. */
export const warmProfiler: WarmProfiler = {
  join(always) {
    const { warm } = processState();
    if (always && !isKept(warm, always)) restart(warm, always);
    warm.members++;
    if (always) warm.always++;
    return {
      get kept() {
        return warm.always > 0 ? warm.profiler : undefined;
      },
      leave() {
        warm.members--;
        if (always) warm.always--;
        endUnused(warm);
      },
    };
  },
};

/** Whether it is kept running already, and as much of the past. */
function isKept({ always, profiler }: ProcessState['warm'], { pastSeconds }: WarmOptions): boolean {
  return always > 0 && profiler!.pastSeconds >= pastSeconds;
}

function restart(warm: ProcessState['warm'], { hz, pastSeconds }: WarmOptions): void {
  end(warm);
  warm.profiler = new RunningProfiler(hz, pastSeconds);
}

function end(warm: ProcessState['warm']): void {
  clearTimeout(warm.ending);
  warm.profiler?.close();
  warm.profiler = undefined;
}

/** At once if no module is left, otherwise when it has been unused for a while. */
function endUnused(warm: ProcessState['warm']): void {
  clearTimeout(warm.ending);
  if (warm.isRecording || warm.always > 0) return;
  if (warm.members === 0) end(warm);
  else warm.ending = setTimeout(() => end(warm), WARM_FOR).unref();
}
