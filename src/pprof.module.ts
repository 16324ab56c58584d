import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { AccessGuard } from './http/access.guard.js';
import { ENDPOINTS } from './http/endpoints.js';
import { PprofHandler } from './http/pprof-handler.js';
import { ReplyInterceptor } from './http/reply.interceptor.js';
import { RequestTracker } from './http/request-tracker.js';
import { PprofRouter } from './http/router.js';
import { controllersAt, routerPathOf, Routes } from './http/routes.js';
import { SeparatePort } from './http/separate-port.js';
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
import { ProfilerService } from './profiling/profiler.service.js';
import { Tracer } from './profiling/trace/tracer.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import type { Sampling } from './sampling/sampler.js';
import { watchWorkers } from './sampling/worker-creation.js';

/** Nest's builder makes `forRoot` and `forRootAsync`; what shapes the module is added to what they return. */
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

/** Holds the profiles of one `forFeature`. */
class PprofFeatureModule {}

/**
 * Go's `net/http/pprof` for a Nest application.
 *
 * @example
 * \@Module({ imports: [PprofModule.forRoot({ guards: [AdminGuard] })] })
 * export class AppModule {}
 * // go tool pprof http://localhost:3000/debug/pprof/profile
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
      useFactory: async ({ sampler, warm }: ResolvedPprofOptions): Promise<Sampling> => {
        const { sampling, notice } = await chooseSampler({ sampler, warm: warm !== 'off' });
        if (notice) new Logger(PprofModule.name).log(notice);
        return sampling;
      },
      inject: [PPROF_OPTIONS],
    },
    { provide: RequestsInFlight, useFactory: RequestsInFlight.of, inject: [ModulesContainer] },
    ...PROFILES,
    AccessGuard,
    AsyncTracker,
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
    ProfileRegistry,
    ProfilerService,
    ReplyInterceptor,
    RequestTracker,
    Routes,
    SeparatePort,
    SourceMapper,
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
  /** From the constructor on: pools of workers are often made in those of providers. */
  private readonly unwatchWorkers = watchWorkers();

  /** @internal */
  constructor() {
    super();
    processState().hasModule = true;
  }

  /**
   * The endpoints under `path`, and `ProfilerService` for captures in code.
   *
   * @throws Error that names an option which is unknown or has a value that it does not take
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    checkIsObject(options);
    return super.forRoot(options);
  }

  /**
   * The same with run-time options from a factory (`useFactory`, `useClass`, `useExisting`). What shapes the module
   * (`path`, `guards`, `interceptors`, `decorators`, `imports`, `isGlobal`, `listen`) stands beside it.
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
   * Registers profiles of the application's own. `@InjectProfile(name)` injects one in the module that imports this; all
   * modules of `forRoot` list and serve it.
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

  /** The boot is over, and so is the CPU profile that `nestjs-pprof/preload` takes of it. */
  onApplicationBootstrap(): void {
    processState().finishBoot?.();
  }

  onModuleDestroy(): void {
    this.unwatchWorkers();
  }
}
