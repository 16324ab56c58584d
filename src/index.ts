export type { Frame, Profile, Sample, ValueType } from './format/profile.js';
export { samplesOf } from './format/profile.js';
export type { PprofAnswer } from './http/answer.js';
export { PprofEndpoint } from './http/endpoint.decorator.js';
export type { PprofEndpointOptions } from './http/endpoint.js';
export { type PprofRequest, pprofRequest } from './http/exchange.js';
export { PprofHandler, type PprofHandlerRequest } from './http/pprof-handler.js';
export type {
  PprofModuleExtras,
  PprofModuleOptions,
  PprofOptionsFactory,
  PprofRuntimeOptions,
} from './interfaces/pprof-options.interface.js';
export { PprofModule } from './pprof.module.js';
export type { CaptureEvent } from './profiling/capture-log.js';
export type { CapturedProfile } from './profiling/captured-profile.js';
export { type CpuProfileOptions, CpuProfiler } from './profiling/cpu-profiler.js';
export {
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerError,
  ProfilerNotStartedError,
} from './profiling/errors.js';
export { type HeapProfileOptions, HeapProfiler } from './profiling/heap-profiler.js';
export { ProfileRegistry } from './profiling/profile-registry.js';
export { ProfilerService } from './profiling/profiler.service.js';
export type { CollectOptions, NamedProfile } from './profiling/profiles/named-profile.js';
export type { SamplerName } from './sampling/sampler.js';
