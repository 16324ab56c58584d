import { ConfigurableModuleBuilder } from '@nestjs/common';
import { CONTROLLERS } from './http/controllers.js';
import { mounted, routeOf } from './http/mount.js';
import type { PprofModuleExtras, PprofRuntimeOptions } from './interfaces/pprof-options.interface.js';
import { PPROF_EXTRAS, PPROF_MODULE_OPTIONS } from './pprof.constants.js';
import { DEFAULT_EXTRAS, resolveExtras } from './pprof.options.js';

/** Nest's builder makes `forRoot` and `forRootAsync`; what shapes the module is added to what they return. */
export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<PprofRuntimeOptions>({ optionsInjectionToken: PPROF_MODULE_OPTIONS })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createPprofOptions')
    .setExtras<PprofModuleExtras>(DEFAULT_EXTRAS, (definition, given) => {
      const extras = resolveExtras(given);
      const route = routeOf(extras);
      const controllers = mounted(route, extras.decorators, CONTROLLERS);
      return {
        ...definition,
        global: extras.isGlobal,
        imports: [...new Set([...(definition.imports ?? []), ...extras.imports])], // forRootAsync has them in both
        controllers,
        providers: [
          ...(definition.providers ?? []),
          { provide: PPROF_EXTRAS, useValue: { ...extras, route, controllers } },
        ],
      };
    })
    .build();
