export type {
  Frame,
  FunctionTable,
  Labels,
  LabelSetTable,
  LocationTable,
  Profile,
  ProfileHeader,
  Sample,
  SampleTable,
  ValueType,
} from './format/profile.js';
export { samplesOf } from './format/profile.js';
export { PprofEndpoint } from './http/endpoint.decorator.js';
export type { PprofEndpointOptions } from './http/endpoint.js';
export type { QueryLike } from './http/go-query.js';
export { PprofHandler, type PprofHandlerRequest } from './http/pprof-handler.js';
export type { PprofReply } from './http/reply.js';
export { type PprofRequest, pprofRequest } from './http/request.js';
export { PprofModule } from './pprof.module.js';
export type {
  PprofFlightRecorderOptions,
  PprofListenOptions,
  PprofModuleExtras,
  PprofModuleOptions,
  PprofOptionsFactory,
  PprofRuntimeOptions,
} from './pprof.options.js';
export { AsyncTracker } from './profiling/async/async-tracker.js';
export type { RequestInFlight, RequestState } from './profiling/async/requests-in-flight.js';
export type { CaptureEvent } from './profiling/capture.js';
export type { CapturedProfile, DevToolsFormat, ViewerFormat } from './profiling/captured-profile.js';
export { type CpuProfileOptions, CpuProfiler } from './profiling/cpu/cpu-profiler.js';
export type { PastCpuProfileOptions } from './profiling/cpu/flight-recorder.js';
export { CustomProfile, getProfileToken, InjectProfile } from './profiling/custom/custom-profile.js';
export {
  type CustomProfileOptions,
  type ProfileSampleSource,
  ProfileSource,
  type ProfileSourceOptions,
  type SourceSample,
} from './profiling/custom/profile-source.js';
export { DeltaCollector, type DeltaOptions } from './profiling/delta.js';
export {
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerCanceledError,
  ProfilerCollectError,
  ProfilerError,
  ProfilerNotStartedError,
  ProfilerUnavailableError,
} from './profiling/errors.js';
export { SymbolTable } from './profiling/frames/symbol-table.js';
export { HeapProfiler } from './profiling/heap/heap-profiler.js';
export type { CollectOptions, NamedProfile, NamedProfileJson } from './profiling/named-profile.js';
export { ProfileRegistry } from './profiling/profile-registry.js';
export { ProfilerService } from './profiling/profiler.service.js';
export { type TraceFormat, type TraceOptions, Tracer } from './profiling/trace/tracer.js';
export { type TraceDecorator, TraceRegion, TraceTask } from './profiling/trace/trace.decorators.js';
export type { ObservedWaits } from './sampling/async-hook.js';
export type { OpenRegion, OpenTask } from './sampling/active-trace.js';
export type { CallStack, Wait, WaitObserver } from './sampling/wait-sample.js';
export type { CallerFrame } from './sampling/call-stack.js';
export type { SamplerName } from './sampling/sampler.js';
export type { WaitState } from './sampling/wait-states.js';
