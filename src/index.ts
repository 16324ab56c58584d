export { InjectProfile } from './decorators/inject-profile.decorator.js';
export {
  type ProfileSampleSource,
  ProfileSource,
  type ProfileSourceOptions,
  type SourceFrame,
  type SourceSample,
} from './decorators/profile-source.decorator.js';
export { TraceRegion, TraceTask } from './decorators/trace.decorator.js';
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
export { AsyncTracker, type LeakedAwaits, type PendingAwait } from './profiling/async-tracker.js';
export type { CaptureEvent } from './profiling/capture-log.js';
export type { CapturedProfile } from './profiling/captured-profile.js';
export { type CpuProfileOptions, CpuProfiler } from './profiling/cpu-profiler.js';
export { DeltaCollector, type DeltaOptions } from './profiling/delta-collector.js';
export {
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerCanceledError,
  ProfilerError,
  ProfilerNotStartedError,
  TracerBusyError,
  UnsupportedWindowError,
} from './profiling/errors.js';
export { type HeapProfileOptions, HeapProfiler } from './profiling/heap-profiler.js';
export { ProfileRegistry } from './profiling/profile-registry.js';
export { ProfilerService } from './profiling/profiler.service.js';
export type { RequestUnderWay } from './profiling/requests-in-flight.js';
export { CustomProfile, type CustomProfileOptions } from './profiling/profiles/custom.profile.js';
export { type CollectOptions, NamedProfile, type ProfileWindow } from './profiling/profiles/named-profile.js';
export { SymbolTable } from './profiling/symbol-table.js';
export type { RunningRegion, RunningTask } from './profiling/trace-annotations.js';
export { type TraceFormat, type TraceOptions, Tracer } from './profiling/tracer.js';
export type { Wait, WaitObserver, WaitSubscription } from './sampling/async-waits.js';
export type { RawFrame, SamplerName } from './sampling/sampler.js';
