import { inspectorCpu } from './inspector-cpu.js';
import { InspectorHeapSampler } from './inspector-heap.js';
import type { Sampling } from './sampler.js';

/** Samples by Node's own inspector: always there, also in worker threads. */
export const inspectorSampling: Sampling = {
  name: 'inspector',
  cpu: inspectorCpu,
  startHeap: (rate) => new InspectorHeapSampler(rate),
};
