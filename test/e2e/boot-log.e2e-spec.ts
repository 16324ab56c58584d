import { type CanActivate, type LoggerService, mixin } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PprofModule } from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import type { SamplingNotice } from '../../src/sampling/sampler.js';
import { ADAPTERS, type AdapterName, type AppSetup, closeApps, startApp } from '../support/app.js';
import { KeyGuard } from '../support/application-parts.js';
import { MadeUpSampling } from '../support/made-up-sampling.js';

const { NODE_ENV } = process.env;

afterEach(async () => {
  process.env.NODE_ENV = NODE_ENV;
  await closeApps();
});

class AdminGuard extends KeyGuard {
  constructor() {
    super('admin');
  }
}

/** As `AuthGuard('jwt')`, of which Nest changes the name. */
function RoleGuard(): new () => CanActivate {
  class MixinRoleGuard extends AdminGuard {}
  return mixin(MixinRoleGuard);
}

const LOCAL = 'to programs on this machine only; samplers: inspector (CPU, heap)';
const CLOSED =
  'WARN pprof is closed: NODE_ENV is production and PprofModule has no guards. Set the option "guards", or "listen" to serve it on a separate port.';

describe.each(ADAPTERS)('the log at start-up on %s', (adapter) => {
  it.each<[string, AppSetup, string]>([
    ['the default options', {}, `Serving /debug/pprof/ ${LOCAL}`],
    [
      'a global prefix and guards',
      {
        configure: (app) => app.setGlobalPrefix('api'),
        pprof: { path: 'ops/pprof', guards: [AdminGuard, new KeyGuard('ops'), RoleGuard()] },
      },
      'Serving /api/ops/pprof/ to requests that pass AdminGuard, KeyGuard, MixinRoleGuard; samplers: inspector (CPU, heap)',
    ],
    [
      'a guard without a class',
      { pprof: { guards: [{ canActivate: () => true }] } },
      'Serving /debug/pprof/ to requests that pass (anonymous); samplers: inspector (CPU, heap)',
    ],
    ['imports: [PprofModule]', { pprof: false, imports: [PprofModule] }, `Serving /debug/pprof/ ${LOCAL}`],
    [
      'enabled: false',
      { pprof: { enabled: false } },
      'Not serving /debug/pprof/: the option "enabled" is false',
    ],
    [
      'memProfileRate: 0',
      { pprof: { memProfileRate: 0 } },
      'Serving /debug/pprof/ to programs on this machine only; samplers: inspector (CPU), none (heap)',
    ],
  ])('is one line with %s', async (_, setup, line) => {
    expect(await bootLines(adapter, setup)).toEqual([`LOG ${line}`]);
  });

  it('has the address of a separate port', async () => {
    expect(await bootLines(adapter, { pprof: { listen: { port: 0 } } })).toEqual([
      expect.stringMatching(
        /^LOG Serving http:\/\/127\.0\.0\.1:[1-9]\d*\/debug\/pprof\/ to programs on this machine only; /,
      ),
    ]);
  });

  it('has a line for each module', async () => {
    const imports = ['one', 'two'].map((path) => PprofModule.forRoot({ path }));
    const lines = await bootLines(adapter, { pprof: false, imports });
    expect(lines.toSorted()).toEqual(['one', 'two'].map((path) => `LOG Serving /${path}/ ${LOCAL}`));
  });

  it('warns in production if the module has no guards, and only then', async () => {
    process.env.NODE_ENV = 'production';
    expect(await bootLines(adapter, {})).toEqual([
      'LOG Serving /debug/pprof/ to nobody; samplers: inspector (CPU, heap)',
      CLOSED,
    ]);
    for (const pprof of [{ guards: [AdminGuard] }, { listen: { port: 0 } }, { enabled: false }])
      expect(await bootLines(adapter, { pprof })).toEqual([expect.stringMatching(/^LOG /)]);
  });
});

describe('the log at start-up', () => {
  it.each<[SamplingNotice['kind'], string[]]>([
    ['instead', [`LOG Serving /debug/pprof/ ${LOCAL}, since it is so`]],
    ['limited', [`LOG Serving /debug/pprof/ ${LOCAL}`, 'WARN it is so.']],
    [
      'none',
      [
        'LOG Serving /debug/pprof/ to programs on this machine only; samplers: none',
        'WARN No CPU and heap profiles: it is so.',
      ],
    ],
  ])('has what does not work in this process: %s', async (kind, lines) => {
    const notice = { kind, text: 'it is so' };
    expect(await bootLines('express', withNotice(notice))).toEqual(lines);
  });

  it('has one warning for a module that is closed and cannot sample', async () => {
    process.env.NODE_ENV = 'production';
    const [, ...warnings] = await bootLines('express', withNotice({ kind: 'none', text: 'it is so' }));
    expect(warnings).toEqual([`${CLOSED} No CPU and heap profiles: it is so.`]);
  });

  it('of an application without HTTP says that there are no endpoints, also in production', async () => {
    process.env.NODE_ENV = 'production';
    const lines: string[] = [];
    const context = await Test.createTestingModule({ imports: [PprofModule] })
      .overrideProvider(PPROF_SAMPLING)
      .useValue(new MadeUpSampling())
      .setLogger(logTo(lines))
      .compile();
    await context.init();
    await context.close();
    expect(lines).toEqual([
      'LOG Serving no endpoints: the application has no HTTP server, and the option "listen" is not set; samplers: inspector (CPU, heap)',
    ]);
  });
});

const withNotice = (notice: SamplingNotice): AppSetup => ({
  configure: (app) => void (app.get<MadeUpSampling>(PPROF_SAMPLING, { strict: false }).notice = notice),
});

async function bootLines(adapter: AdapterName, setup: AppSetup): Promise<string[]> {
  const lines: string[] = [];
  await startApp(adapter, { ...setup, options: { logger: logTo(lines) } });
  return lines;
}

/** The lines of the module, with their levels. */
function logTo(lines: string[]): LoggerService {
  const as =
    (level: string) =>
    (message: unknown, context?: unknown): void => {
      if (context === 'PprofModule') lines.push(`${level} ${String(message)}`);
    };
  return { log: as('LOG'), warn: as('WARN'), error: as('ERROR') };
}
