import type { Profiler } from 'node:inspector';
import { nowMicros } from './cpu-readings.js';
import { CpuSegment, samplesOf } from './cpu-segment.js';
import { V8HeapSampler } from './heap-sampler.js';
import { InspectorSession } from './inspector-session.js';
import { otherNativeThreads } from './native-threads.js';
import { ProcessTimes } from './process-times.js';
import type { CpuRecording, CpuSampler, Samplers } from './sampler.js';
import { openThreadClock, type ThreadClock } from './thread-clock.js';

/** CPU samples by Node's inspector, with the exact line in the innermost frame and the time of each sample. */
export const inspectorCpu: CpuSampler = {
  name: 'inspector',
  start(hz) {
    const session = new InspectorSession();
    const clock = openThreadClock();
    try {
      return startCpu(hz, session, clock);
    } catch (error) {
      session.close();
      clock?.close();
      throw error;
    }
  },
};

function startCpu(hz: number, session: InspectorSession, clock: ThreadClock | undefined): CpuRecording {
  const begin = clock && new ProcessTimes(clock);
  begin?.threads();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / hz) });
  const askedMicros = nowMicros();
  session.post('Profiler.start');
  const segment = new CpuSegment('', askedMicros, true, clock);
  return {
    stop() {
      try {
        segment.end();
        const ended = otherNativeThreads(); // V8's own sampling thread ends with the profile
        segment.take(session.post<Profiler.StopReturnType>('Profiler.stop').profile);
        return samplesOf([segment], begin, clock && new ProcessTimes(clock), ended);
      } finally {
        session.close();
        clock?.close();
      }
    },
  };
}

/** Samplers of Node's built-in inspector, which also work in worker threads. */
export const inspectorSampling: Samplers = {
  name: 'inspector',
  cpu: inspectorCpu,
  startHeap: (rate) => new V8HeapSampler(rate),
};
