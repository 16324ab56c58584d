import { V8HeapSampler } from './heap-sampler.js';
import { RunningProfiler } from './running-profiler.js';
import type { CpuSampler, Sampling } from './sampler.js';

/** CPU samples by Node's own inspector: the exact line in the innermost frame, and the time of each sample. */
export const inspectorCpu: CpuSampler = {
  name: 'inspector',
  start(hz) {
    const profiler = new RunningProfiler(hz);
    return profiler.record(true, () => profiler.close());
  },
};

/** Samples by Node's own inspector: always there, also in worker threads. */
export const inspectorSampling: Sampling = {
  name: 'inspector',
  cpu: inspectorCpu,
  startHeap: (rate) => new V8HeapSampler(rate),
};
