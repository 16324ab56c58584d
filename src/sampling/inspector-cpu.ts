import type { Profiler } from 'node:inspector';
import { CpuMeasure } from './cpu-measure.js';
import { cpuSamplesOf } from './inspector-cpu-samples.js';
import { InspectorSession } from './inspector-session.js';
import type { CpuRecording, CpuSampler } from './sampler.js';
import { openThreadClock } from './thread-clock.js';

/** CPU samples by Node's own inspector: the exact line in the innermost frame, and the time of each sample. */
export const inspectorCpu: CpuSampler = {
  name: 'inspector',

  start(hz) {
    const clock = openThreadClock();
    const measure = clock && new CpuMeasure(clock);
    const session = new InspectorSession();
    try {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / hz) });
      session.post('Profiler.start');
      measure?.started();
    } catch (error) {
      measure?.free();
      session.close();
      throw error;
    }
    return recording(session, measure);
  },
};

function recording(session: InspectorSession, measure: CpuMeasure | undefined): CpuRecording {
  return {
    stop() {
      try {
        measure?.stopping();
        const { profile } = session.post<Profiler.StopReturnType>('Profiler.stop');
        return cpuSamplesOf(profile, measure?.stopped());
      } finally {
        measure?.free();
        session.close();
      }
    },
  };
}
