import { type DynamicModule, Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { FrontDoor } from './http/front-door.js';
import { PprofMount } from './http/mount.js';
import { PprofHandler } from './http/pprof-handler.js';
import type { PprofRuntimeOptions, ResolvedPprofOptions } from './interfaces/pprof-options.interface.js';
import { PPROF_MODULE_OPTIONS, PPROF_OPTIONS, PPROF_SAMPLING } from './pprof.constants.js';
import { ASYNC_OPTIONS_TYPE, ConfigurableModuleClass, OPTIONS_TYPE } from './pprof.module-definition.js';
import { checkAsyncOptions, checkIsObject, resolveRuntimeOptions } from './pprof.options.js';
import { CaptureLog } from './profiling/capture-log.js';
import { ClassNames } from './profiling/class-names.js';
import { CpuProfiler } from './profiling/cpu-profiler.js';
import { HeapProfiler } from './profiling/heap-profiler.js';
import { PlaceResolver } from './profiling/place-resolver.js';
import { ProfileRegistry } from './profiling/profile-registry.js';
import { ProfilerService } from './profiling/profiler.service.js';
import { HeapProfile } from './profiling/profiles/heap.profile.js';
import { SourceMapper } from './profiling/source-maps/source-mapper.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import type { Sampling } from './sampling/sampler.js';

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
        return sampling;
      },
      inject: [PPROF_OPTIONS],
    },
    CaptureLog,
    ClassNames,
    CpuProfiler,
    FrontDoor,
    HeapProfile,
    HeapProfiler,
    PlaceResolver,
    PprofHandler,
    PprofMount,
    ProfileRegistry,
    ProfilerService,
    SourceMapper,
  ],
  exports: [CpuProfiler, HeapProfiler, PprofHandler, ProfileRegistry, ProfilerService],
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
  /** The boot is over, and so is the CPU profile that `nestjs-pprof/preload` takes of it. */
  onApplicationBootstrap(): void {
    processState().finishBoot?.();
  }
}
