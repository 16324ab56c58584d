import { inspect } from 'node:util';
import { Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  PprofEndpoint,
  PprofModule,
  type PprofModuleExtras,
  type PprofModuleOptions,
  type PprofRuntimeOptions,
  ProfilerService,
} from '../../src/index.js';
import { closeApps, startApp } from '../support/app.js';
import { request } from '../support/http.js';

/** Option, a value that it does not take, how the error shows it, and what it says that the option takes. */
type Row = [name: string, value: unknown, shown: string, takes: string];

const RUNTIME: Row[] = [
  ['writeTimeout', -1, '-1', 'a number of milliseconds'],
  ['writeTimeout', NaN, 'NaN', 'a number of milliseconds'],
  ['writeTimeout', Infinity, 'Infinity', 'a number of milliseconds'],
  ['writeTimeout', '60s', "'60s'", 'a number of milliseconds'],
  ['writeTimeout', null, 'null', 'a number of milliseconds'],
  ['maxSeconds', 0, '0', 'a whole number of seconds from 1'],
  ['maxSeconds', 1.5, '1.5', 'a whole number of seconds from 1'],
  ['maxSeconds', 1e9, '1000000000', 'a whole number of seconds from 1'],
  ['maxSeconds', '300', "'300'", 'a whole number of seconds from 1'],
  ['enabled', 'false', "'false'", 'true or false'],
  ['enabled', 0, '0', 'true or false'],
  ['endpoints', ['heap'], "[ 'heap' ]", 'an object of endpoint names and true or false'],
  ['endpoints', { heap: 'off' }, "{ heap: 'off' }", 'an object of endpoint names and true or false'],
  ['endpoints', 'heap', "'heap'", 'an object of endpoint names and true or false'],
  ['cmdline', 'no', "'no'", 'true, false, or { redact: RegExp[] }'],
  ['cmdline', {}, '{}', 'true, false, or { redact: RegExp[] }'],
  ['cmdline', { redact: ['x'] }, "{ redact: [ 'x' ] }", 'true, false, or { redact: RegExp[] }'],
  ['cmdline', { redact: /x/ }, '{ redact: /x/ }', 'true, false, or { redact: RegExp[] }'],
  ['cmdline', { redact: [], more: 1 }, '{ redact: [], more: 1 }', 'true, false, or { redact: RegExp[] }'],
  ['sampler', 'datalog', "'datalog'", '"auto", "pprof" or "inspector"'],
  ['sampler', true, 'true', '"auto", "pprof" or "inspector"'],
  ['cpuProfileRate', 0, '0', 'a whole number of samples per second from 1 to 1000'],
  ['cpuProfileRate', 1001, '1001', 'a whole number of samples per second from 1 to 1000'],
  ['cpuProfileRate', 99.5, '99.5', 'a whole number of samples per second from 1 to 1000'],
  ['warm', true, 'true', '"auto", "always" or "off"'],
  ['warm', 'on', "'on'", '"auto", "always" or "off"'],
  ...[
    true,
    60,
    { seconds: 0 },
    { seconds: 601 },
    { seconds: 1.5 },
    { hz: 0 },
    { hz: 1001 },
    { past: 60 },
  ].map((value): Row => [
    'flightRecorder',
    value,
    inspect(value),
    'an object { seconds, hz }: whole numbers from 1 to 600',
  ]),
  ['memProfileRate', -1, '-1', 'a whole number of bytes from 1'],
  ['memProfileRate', 0.5, '0.5', 'a whole number of bytes from 1'],
  ['memProfileRate', 2 ** 31, '2147483648', 'a whole number of bytes from 1'],
  ['profileComments', 'commit 1a2b3c', "'commit 1a2b3c'", 'a list of strings'],
  ['profileComments', [1], '[ 1 ]', 'a list of strings'],
  ['profileComments', ['a', undefined], "[ 'a', undefined ]", 'a list of strings'],
  ['profileComments', null, 'null', 'a list of strings'],
  ['profileComments', { commit: '1a2b3c' }, "{ commit: '1a2b3c' }", 'a list of strings'],
  ['ui', 'false', "'false'", 'true or false'],
  ['sourceMaps', 'false', "'false'", 'true or false'],
  ['sourceMaps', 0, '0', 'true or false'],
  ['sourceMaps', null, 'null', 'true or false'],
  ['sourceMaps', {}, '{}', 'true or false'],
];

function notAPort(value: unknown): Row {
  return ['listen', value, inspect(value), 'an object { port, host }: a whole number from 0 to 65535'];
}

const EXTRAS: Row[] = [
  ['path', '', "''", 'a path of letters, digits'],
  ['path', '/', "'/'", 'a path of letters, digits'],
  ['path', 'a//b', "'a//b'", 'a path of letters, digits'],
  ['path', ':id/pprof', "':id/pprof'", 'a path of letters, digits'],
  ['path', 'debug/*', "'debug/*'", 'a path of letters, digits'],
  ['path', 'debug pprof', "'debug pprof'", 'a path of letters, digits'],
  ['path', 'debug?x=1', "'debug?x=1'", 'a path of letters, digits'],
  ['path', '../pprof', "'../pprof'", 'a path of letters, digits'],
  ['path', 'debug/./pprof', "'debug/./pprof'", 'a path of letters, digits'],
  ['path', 7, '7', 'a path of letters, digits'],
  ['guards', 'AdminGuard', "'AdminGuard'", 'a list of guard classes or instances'],
  ['guards', [{}], '[ {} ]', 'a list of guard classes or instances'],
  ['guards', [undefined], '[ undefined ]', 'a list of guard classes or instances'],
  ['guards', null, 'null', 'a list of guard classes or instances'],
  ['interceptors', [{ canActivate: true }], '[ { canActivate: true } ]', 'a list of interceptor classes'],
  ['interceptors', {}, '{}', 'a list of interceptor classes'],
  ['decorators', ['Public'], "[ 'Public' ]", 'a list of class decorators'],
  ['imports', {}, '{}', 'a list of modules'],
  ['isGlobal', 'yes', "'yes'", 'true or false'],
  ...[6060, '6060', true, null, [6060], {}, { host: '127.0.0.1' }].map(notAPort),
  ...[-1, 65_536, 6060.5, NaN, '6060', null].map((port) => notAPort({ port })),
  ...['', 0, null].map((host) => notAPort({ port: 0, host })),
  notAPort({ port: 0, hots: '127.0.0.1' }),
];

const boot = (options: PprofModuleOptions): Promise<unknown> => startApp('express', { pprof: options });
const bootAsync = async (options: PprofRuntimeOptions, extras: PprofModuleExtras = {}): Promise<unknown> =>
  startApp('express', {
    pprof: false,
    imports: [PprofModule.forRootAsync({ ...extras, useFactory: async () => options })],
  });
const bad = (name: string, value: unknown): object => ({ [name]: value });
const sentence = (name: string, shown: string, takes: string): string =>
  `PprofModule: invalid value ${shown} for option "${name}": expected ${takes}`;

describe('options', () => {
  afterEach(closeApps);

  it.each([...RUNTIME, ...EXTRAS])('forRoot refuses %s: %j', async (name, value, shown, takes) => {
    await expect((async () => boot(bad(name, value)))()).rejects.toThrow(sentence(name, shown, takes));
  });

  it.each(RUNTIME)('forRootAsync refuses %s: %j from the factory', async (name, value, shown, takes) => {
    await expect(bootAsync(bad(name, value))).rejects.toThrow(sentence(name, shown, takes));
  });

  it.each(EXTRAS)('forRootAsync refuses %s: %j', async (name, value, shown, takes) => {
    await expect(bootAsync({}, bad(name, value))).rejects.toThrow(sentence(name, shown, takes));
  });

  describe('that are unknown', () => {
    it('fail forRoot with the known ones', async () => {
      await expect(boot(bad('writeTimout', 1))).rejects.toThrow(
        /unknown option "writeTimout"; known options: path, guards, .*writeTimeout, maxSeconds/,
      );
    });

    it('fail forRootAsync', async () => {
      await expect(bootAsync({}, bad('gaurds', []))).rejects.toThrow(
        'unknown option "gaurds" of forRootAsync; known options: ',
      );
      await expect(bootAsync(bad('maxSecond', 1))).rejects.toThrow(
        'unknown option "maxSecond"; known options: ',
      );
    });

    it.each(['constructor', 'toString', 'hasOwnProperty'])(
      'are rejected although every object has a property of that name: %s',
      async (name) => {
        await expect(boot(bad(name, 1))).rejects.toThrow(`unknown option "${name}"`);
      },
    );

    it('as endpoints fail the boot with the known ones', async () => {
      await expect(boot({ endpoints: { heep: false } })).rejects.toThrow(
        'PprofModule: unknown endpoint "heep" in the option "endpoints"; known endpoints: cmdline, flamegraph, heapsnapshot, profile, symbol',
      );
    });
  });

  describe('of forRootAsync', () => {
    it.each(RUNTIME.map(([name]) => name).filter((name, i, all) => all.indexOf(name) === i))(
      'are rejected next to the factory, which has to return them: %s',
      async (name) => {
        await expect(bootAsync({}, bad(name, undefined))).rejects.toThrow(
          `PprofModule: forRootAsync does not accept option "${name}": return it from the factory`,
        );
      },
    );

    it.each(EXTRAS.map(([name]) => name).filter((name, i, all) => all.indexOf(name) === i))(
      'are rejected from the factory, next to which they belong: %s',
      async (name) => {
        await expect(bootAsync(bad(name, undefined))).rejects.toThrow(
          `PprofModule: the factory must not return option "${name}": pass it to forRootAsync, next to the factory`,
        );
      },
    );

    it('need a factory, a class or an existing provider', () => {
      expect(() => PprofModule.forRootAsync({})).toThrow(
        'PprofModule: forRootAsync requires one of useFactory, useClass, useExisting',
      );
    });

    it.each([undefined, null, 'on', []])('refuse a factory that returns %j', async (returned) => {
      const booting = startApp('express', {
        pprof: false,
        imports: [PprofModule.forRootAsync({ useFactory: () => returned as PprofRuntimeOptions })],
      });
      await expect(booting).rejects.toThrow(/PprofModule: invalid options .*: expected an object/);
    });
  });

  describe('that are valid', () => {
    it.each<[string, PprofModuleOptions]>([
      ['none', {}],
      [
        'undefined for the default',
        { path: undefined, guards: undefined, maxSeconds: undefined, cmdline: undefined },
      ],
      ['a path between slashes', { path: '/debug/pprof/' }],
      ['the least', { writeTimeout: 0, maxSeconds: 1, cpuProfileRate: 1, memProfileRate: 0 }],
      ['the most', { maxSeconds: 2_147_483, cpuProfileRate: 1000, memProfileRate: 2 ** 31 - 1 }],
      ['parts of a millisecond', { writeTimeout: 0.5 }],
      ['profileComments: []', { profileComments: [] }],
      ['sourceMaps: false', { sourceMaps: false }],
      ['sourceMaps: true', { sourceMaps: true }],
      ['all endpoints named', { endpoints: { cmdline: true, heap: true, profile: true } }],
    ])('boot: %s', async (_, options) => {
      const { base } = await startApp('express', { pprof: options });
      expect((await request(`${base.replaceAll(/(?<!:)\/+/g, '/').replace(/\/$/, '')}/heap`)).status).toBe(
        200,
      );
    });

    it('apply when they come from an asynchronous factory', async () => {
      const { url } = await startApp('express', {
        pprof: false,
        imports: [
          PprofModule.forRootAsync({
            path: 'later',
            useFactory: async () => Promise.resolve({ maxSeconds: 7 }),
          }),
        ],
      });
      expect((await request(`${url}/later/profile?seconds=8`)).text).toBe(
        'seconds exceeds the maximum of 7\n',
      );
    });

    it('set the rate of captures by cpuProfileRate', async () => {
      const { app } = await startApp('express', { pprof: { cpuProfileRate: 250 } });
      const { profile } = await app.get(ProfilerService).cpuProfile({ seconds: 0.001 });
      expect(profile.period).toBe(4e6);
    });
  });

  describe('of @PprofEndpoint', () => {
    it.each(['a/b', 'a b', '<b>', 'ä', '%61'])('refuse the endpoint name %j', (name) => {
      expect(() => PprofEndpoint({ name, description: '' })).toThrow(
        `PprofEndpoint: invalid name ${JSON.stringify(name)}: expected letters, digits and ._-`,
      );
    });

    it('fail the boot where an endpoint takes the name of a profile', async () => {
      @PprofEndpoint({ name: 'heap', description: 'taken' })
      class TakenController {
        @Get()
        read(): string {
          return '';
        }
      }
      await expect(startApp('express', { controllers: [TakenController] })).rejects.toThrow(
        'PprofModule: the endpoint name "heap" of TakenController is taken',
      );
    });
  });
});
