import { type DynamicModule, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { profileToken } from './decorators/inject-profile.decorator.js';
import { FrontDoor } from './http/front-door.js';
import { PprofMount } from './http/mount.js';
import { OwnPort } from './http/own-port.js';
import { PprofHandler } from './http/pprof-handler.js';
import { RequestWatch } from './http/request-watch.js';
import type { PprofRuntimeOptions, ResolvedPprofOptions } from './interfaces/pprof-options.interface.js';
import { PPROF_MODULE_OPTIONS, PPROF_OPTIONS, PPROF_SAMPLING } from './pprof.constants.js';
import { ASYNC_OPTIONS_TYPE, ConfigurableModuleClass, OPTIONS_TYPE } from './pprof.module-definition.js';
import { checkAsyncOptions, checkIsObject, resolveRuntimeOptions } from './pprof.options.js';
import { AsyncTracker } from './profiling/async-tracker.js';
import { CaptureLog } from './profiling/capture-log.js';
import { ClassNames } from './profiling/class-names.js';
import { CpuProfiler } from './profiling/cpu-profiler.js';
import { DeltaCollector } from './profiling/delta-collector.js';
import { FrameworkRegions } from './profiling/framework-regions.js';
import { HeapProfiler } from './profiling/heap-profiler.js';
import { PlaceResolver } from './profiling/place-resolver.js';
import { ProfileMaker } from './profiling/profile-maker.js';
import { ProfileRegistry } from './profiling/profile-registry.js';
import { ProfilerService } from './profiling/profiler.service.js';
import { AllocsProfile } from './profiling/profiles/allocs.profile.js';
import { BlockProfile } from './profiling/profiles/block.profile.js';
import { GoroutineProfile } from './profiling/profiles/goroutine.profile.js';
import { GoroutineLeakProfile } from './profiling/profiles/goroutineleak.profile.js';
import { HeapProfile } from './profiling/profiles/heap.profile.js';
import { RequestsInFlight } from './profiling/requests-in-flight.js';
import { MutexProfile } from './profiling/profiles/mutex.profile.js';
import { ThreadCreateProfile } from './profiling/profiles/threadcreate.profile.js';
import { SourceMapper } from './profiling/source-maps/source-mapper.js';
import { SymbolTable } from './profiling/symbol-table.js';
import { Tracer } from './profiling/tracer.js';
import { CustomProfile, type CustomProfileOptions } from './profiling/profiles/custom.profile.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import { rehearse } from './sampling/rehearse.js';
import type { Sampling } from './sampling/sampler.js';

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
  providers: [
    {
      provide: PPROF_OPTIONS,
      useFactory: (options: PprofRuntimeOptions): ResolvedPprofOptions => resolveRuntimeOptions(options),
      inject: [PPROF_MODULE_OPTIONS],
    },
    {
      provide: PPROF_SAMPLING,
      useFactory: async ({ sampler }: ResolvedPprofOptions): Promise<Sampling> => {
        const { sampling, notice } = await chooseSampler(sampler);
        if (notice) new Logger(PprofModule.name).log(notice);
        rehearse();
        return sampling;
      },
      inject: [PPROF_OPTIONS],
    },
    CaptureLog,
    ClassNames,
    AllocsProfile,
    AsyncTracker,
    BlockProfile,
    CpuProfiler,
    DeltaCollector,
    FrameworkRegions,
    FrontDoor,
    GoroutineLeakProfile,
    GoroutineProfile,
    HeapProfile,
    HeapProfiler,
    MutexProfile,
    OwnPort,
    PlaceResolver,
    PprofHandler,
    PprofMount,
    ProfileMaker,
    ProfileRegistry,
    ProfilerService,
    RequestWatch,
    RequestsInFlight,
    SourceMapper,
    SymbolTable,
    ThreadCreateProfile,
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
export class PprofModule extends ConfigurableModuleClass implements OnApplicationBootstrap {
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
   * (`path`, `guards`, `interceptors`, `decorators`, `imports`, `isGlobal`) stands beside it.
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
   * Profiles of the application's own: `@InjectProfile(name)` injects one, and it is listed and served beside the others.
   *
   * @example
   * \@Module({ imports: [PprofModule.forFeature([{ name: 'db_connections', description: 'Open connections.' }])] })
   *
   * @throws Error if two have the same name; at boot, if a name is taken
   */
  static forFeature(profiles: readonly CustomProfileOptions[]): DynamicModule {
    const names = profiles.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new Error(`PprofModule: forFeature has two profiles "${twice}"`);
    const providers = profiles.map(({ name, description }) => ({
      provide: profileToken(name),
      useFactory: (): CustomProfile => new CustomProfile(name, description),
    }));
    return { module: PprofFeatureModule, providers, exports: providers.map(({ provide }) => provide) };
  }

  /** The boot is over, and so is the CPU profile that `nestjs-pprof/preload` takes of it. */
  onApplicationBootstrap(): void {
    processState().finishBoot?.();
  }
}
