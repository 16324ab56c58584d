import { V8HeapSampler } from './heap-sampler.js';
import { inspectorCpu } from './inspector-cpu.js';
import type { Sampling } from './sampler.js';

/** Samples by Node's own inspector: always there, also in worker threads. */
export const inspectorSampling: Sampling = {
  name: 'inspector',
  cpu: inspectorCpu,
  startHeap: (rate) => new V8HeapSampler(rate),
};
