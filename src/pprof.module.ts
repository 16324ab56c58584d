import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { BootLog } from './boot-log.js';
import { AccessGuard } from './http/access.guard.js';
import { ENDPOINTS } from './http/endpoints.js';
import { PprofHandler } from './http/pprof-handler.js';
import { ReplyInterceptor } from './http/reply.interceptor.js';
import { RequestTracker } from './http/request-tracker.js';
import { PprofRouter } from './http/router.js';
import { controllersAt, routerPathOf, Routes } from './http/routes.js';
import { SeparatePort } from './http/separate-port.js';
import { Speedscope } from './http/speedscope.js';
import {
  checkAsyncOptions,
  checkIsObject,
  DEFAULT_EXTRAS,
  PPROF_EXTRAS,
  PPROF_MODULE_OPTIONS,
  PPROF_OPTIONS,
  PPROF_SAMPLING,
  type PprofModuleExtras,
  type PprofRuntimeOptions,
  type ResolvedPprofOptions,
  resolveExtras,
  resolveRuntimeOptions,
} from './pprof.options.js';
import { AsyncTracker } from './profiling/async/async-tracker.js';
import { PendingAwaits } from './profiling/async/pending-awaits.js';
import { RequestsInFlight } from './profiling/async/requests-in-flight.js';
import { Captures } from './profiling/capture.js';
import { CustomProfile, getProfileToken } from './profiling/custom/custom-profile.js';
import { checkProfile, type CustomProfileOptions } from './profiling/custom/profile-source.js';
import { CpuProfiler } from './profiling/cpu/cpu-profiler.js';
import { FlightRecorder } from './profiling/cpu/flight-recorder.js';
import { DeltaCollector } from './profiling/delta.js';
import { ProfilerArgumentError } from './profiling/errors.js';
import { ClassNames } from './profiling/frames/class-names.js';
import { FrameResolver } from './profiling/frames/frame-resolver.js';
import { SourceMapper } from './profiling/frames/source-maps/source-mapper.js';
import { SymbolTable } from './profiling/frames/symbol-table.js';
import { HeapProfiler } from './profiling/heap/heap-profiler.js';
import { HeapReader } from './profiling/heap/heap-reader.js';
import { HeapSnapshots } from './profiling/heap/heap-snapshots.js';
import { ProfileRegistry, PROFILES } from './profiling/profile-registry.js';
import { ProcessFacts } from './profiling/process-facts.js';
import { ProfilerService } from './profiling/profiler.service.js';
import { Tracer } from './profiling/trace/tracer.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import type { Sampling } from './sampling/sampler.js';
import { watchWorkers } from './sampling/worker-creation.js';

/** Nest's builder makes `forRoot` and `forRootAsync`. The extras, on which the structure of the module depends, are added to their results. */
const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<PprofRuntimeOptions>({ optionsInjectionToken: PPROF_MODULE_OPTIONS })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createPprofOptions')
    .setExtras<PprofModuleExtras>(DEFAULT_EXTRAS, (definition, given) => {
      const extras = resolveExtras(given);
      const routerPath = routerPathOf(extras);
      const controllers = controllersAt({ ...extras, routerPath }, ENDPOINTS);
      return {
        ...definition,
        global: extras.isGlobal,
        imports: [...new Set([...(definition.imports ?? []), ...extras.imports])], // forRootAsync has them in both
        controllers,
        providers: [
          ...(definition.providers ?? []),
          { provide: PPROF_EXTRAS, useValue: { ...extras, routerPath, controllers } },
        ],
      };
    })
    .build();

/** Provides the profiles of one `forFeature`. */
class PprofFeatureModule {}

/**
 * Go's `net/http/pprof` for a Nest application.
 *
 * @example
 * \@Module({ imports: [PprofModule.forRoot({ guards: [AdminGuard] })] })
 * export class AppModule {}
 * // go tool pprof http://localhost:3000/debug/pprof/profile
 *
 * Without `forRoot`, `imports: [PprofModule]` uses the defaults of all options.
 *
 * @publicApi
 */
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: PPROF_OPTIONS,
      useFactory: (options: PprofRuntimeOptions): ResolvedPprofOptions => resolveRuntimeOptions(options),
      inject: [PPROF_MODULE_OPTIONS],
    },
    {
      provide: PPROF_SAMPLING,
      useFactory: ({ sampler, warm }: ResolvedPprofOptions): Promise<Sampling> =>
        chooseSampler({ sampler, warm: warm !== 'off' }),
      inject: [PPROF_OPTIONS],
    },
    { provide: RequestsInFlight, useFactory: RequestsInFlight.of, inject: [ModulesContainer] },
    ...PROFILES,
    AccessGuard,
    AsyncTracker,
    BootLog,
    Captures,
    ClassNames,
    CpuProfiler,
    DeltaCollector,
    FlightRecorder,
    FrameResolver,
    HeapReader,
    HeapSnapshots,
    PendingAwaits,
    PprofHandler,
    PprofRouter,
    ProcessFacts,
    ProfileRegistry,
    ProfilerService,
    ReplyInterceptor,
    RequestTracker,
    Routes,
    SeparatePort,
    SourceMapper,
    Speedscope,
    SymbolTable,
    Tracer,
  ],
  exports: [
    AsyncTracker,
    CpuProfiler,
    DeltaCollector,
    HeapProfiler,
    PprofHandler,
    ProfileRegistry,
    ProfilerService,
    SymbolTable,
    Tracer,
  ],
})
export class PprofModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnModuleDestroy {
  /** Not later: providers often make pools of workers in their constructors. */
  private readonly unwatchWorkers = watchWorkers();

  /** @internal */
  constructor(private readonly log: BootLog) {
    super();
    processState().hasModule = true;
  }

  /**
   * Serves the endpoints at `path`, and provides `ProfilerService` for captures in code.
   *
   * @throws Error if an option is unknown or invalid; the message names it
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    checkIsObject(options);
    return super.forRoot(options);
  }

  /**
   * The same with options that a factory returns (`useFactory`, `useClass`, `useExisting`). `path`, `guards`, `interceptors`,
   * `decorators`, `imports`, `isGlobal` and `listen` go next to the factory, since Nest needs them earlier.
   *
   * @example
   * PprofModule.forRootAsync({
   *   guards: [AdminGuard],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({ enabled: config.get('PPROF') === 'on' }),
   * })
   */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    checkIsObject(options);
    checkAsyncOptions(options);
    return super.forRootAsync(options);
  }

  /**
   * Registers custom profiles. `@InjectProfile(name)` injects one in the module that imports this; every module of `forRoot`
   * lists and serves it.
   *
   * @example
   * \@Module({ imports: [PprofModule.forFeature([{ name: 'db_connections', description: 'Open connections.' }])] })
   *
   * @throws ProfilerArgumentError if a name is invalid; at boot, if it is taken
   */
  static forFeature(profiles: readonly CustomProfileOptions[]): DynamicModule {
    const tokens = profiles.map(({ name }) => getProfileToken(name));
    profiles.forEach((profile, i) => {
      checkProfile(profile);
      if (tokens.indexOf(tokens[i]!) !== i)
        throw new ProfilerArgumentError(`profile name "${profile.name}" is taken`);
    });
    const providers = profiles.map((profile, i) => ({
      provide: tokens[i]!,
      useFactory: () => new CustomProfile(profile), // one for each application
    }));
    return { module: PprofFeatureModule, providers, exports: tokens };
  }

  /** Ends the CPU profile that `nestjs-pprof/preload` takes of the boot. Nest calls the providers' hooks before. */
  onApplicationBootstrap(): void {
    this.log.write();
    processState().finishBoot?.();
  }

  onModuleDestroy(): void {
    this.unwatchWorkers();
  }
}

/** `imports: [PprofModule]` means `forRoot()`: for Nest, whatever has a property `module` is a dynamic module. */
Object.assign(PprofModule, PprofModule.forRoot());
