import { once } from 'node:events';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  All,
  Controller,
  Get,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Post,
  RequestMethod,
  type Type,
  VersioningType,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PprofModule, ProfilerService } from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, startApp, type TestApp } from '../support/app.js';
import { UptimeController } from '../support/application-parts.js';
import { brokenRows, SHORT_CONTRACT } from '../support/contract.js';
import { request } from '../support/http.js';

@Module({ controllers: [UptimeController] })
class FeatureModule {}

/** With two modules in between. */
@Module({ imports: [PprofModule.forRoot()] })
class InnerModule {}
@Module({ imports: [InnerModule] })
class OuterModule {}

interface Mapping {
  readonly name: string;
  readonly setup: AppSetup;
  /** Where clients find the endpoints. */
  readonly bases: readonly string[];
}

const prefixed = (prefix: string, exclude: Parameters<INestApplication['setGlobalPrefix']>[1] = {}) => ({
  configure: (app: INestApplication) => app.setGlobalPrefix(prefix, exclude),
});

const MAPPINGS: readonly Mapping[] = [
  {
    name: 'a path of RouterModule',
    setup: { imports: [RouterModule.register([{ path: 'admin', module: PprofModule }])] },
    bases: ['/admin/debug/pprof'],
  },
  {
    name: 'paths of RouterModule below each other, with a parameter',
    setup: {
      controllers: [],
      imports: [
        FeatureModule,
        RouterModule.register([
          { path: 'tenants/:tenant', children: [{ path: 'ops', module: PprofModule }] },
        ]),
      ],
    },
    bases: ['/tenants/a.b/ops/debug/pprof', '/tenants/7/ops/debug/pprof'],
  },
  {
    name: 'a path of RouterModule below a global prefix and a version',
    setup: {
      imports: [RouterModule.register([{ path: 'admin', module: PprofModule }])],
      configure: (app) =>
        app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    },
    bases: ['/api/admin/debug/pprof'],
  },
  {
    name: 'a path of RouterModule for the module of an own endpoint only',
    setup: {
      controllers: [],
      imports: [FeatureModule, RouterModule.register([{ path: 'feature', module: FeatureModule }])],
    },
    bases: ['/debug/pprof', '/feature/debug/pprof'],
  },
  { name: 'a global prefix with a parameter', setup: prefixed('api/:tenant'), bases: ['/api/7/debug/pprof'] },
  {
    name: 'a global prefix that excludes one profile',
    setup: prefixed('api', { exclude: ['debug/pprof/heap'] }),
    bases: ['/debug/pprof', '/api/debug/pprof'],
  },
  {
    name: 'a global prefix that excludes one method',
    setup: prefixed('api', { exclude: [{ path: 'debug/pprof/{*rest}', method: RequestMethod.POST }] }),
    bases: ['/api/debug/pprof'],
  },
  {
    name: 'a global prefix that excludes all routes',
    setup: prefixed('api', { exclude: ['{*all}'] }),
    bases: ['/debug/pprof'],
  },
  {
    name: 'versions in the media type',
    setup: {
      configure: (app) =>
        app.enableVersioning({ type: VersioningType.MEDIA_TYPE, key: 'v=', defaultVersion: '1' }),
    },
    bases: ['/debug/pprof'],
  },
  {
    name: 'versions of an own kind',
    setup: {
      configure: (app) =>
        app.enableVersioning({ type: VersioningType.CUSTOM, extractor: () => '3', defaultVersion: '2' }),
    },
    bases: ['/debug/pprof'],
  },
  {
    name: 'forRoot in a module two modules down',
    setup: { pprof: false, imports: [OuterModule] },
    bases: ['/debug/pprof'],
  },
  {
    name: 'an own endpoint in a module imported later',
    setup: { pprof: false, imports: [PprofModule.forRoot(), FeatureModule], controllers: [] },
    bases: ['/debug/pprof'],
  },
];

/** What depends on the path: the rest of the contract is the same wherever requests come from. */
const BY_PATH = SHORT_CONTRACT.filter(({ path, headers }) => !headers && !path.includes('seconds='));

/** The contract, an own profile, and an own endpoint with both of its methods. */
async function brokenAt(base: string, rows: typeof SHORT_CONTRACT = BY_PATH): Promise<string[]> {
  const errors = await brokenRows(base, rows);
  for (const [path, method, status] of [
    ['leases', 'GET', 200],
    ['l%65ases', 'GET', 200],
    ['leases', 'POST', 405],
    ['uptime', 'GET', 200],
    ['%75ptime', 'POST', 200],
    ['uptime/', 'GET', 404],
    ['uptime', 'DELETE', 405],
    ['heap', 'PROPFIND', 405],
  ] as const) {
    const answer = await request(`${base}/${path}`, { method });
    if (answer.status !== status) errors.push(`${method} ${base}/${path}: ${answer.status} ${answer.text}`);
  }
  return errors;
}

async function startMapped(adapter: (typeof ADAPTERS)[number], setup: AppSetup): Promise<TestApp> {
  const started = await startApp(adapter, { controllers: [UptimeController], ...setup });
  started.app.get(ProfilerService, { strict: false }).newProfile('leases').add({});
  return started;
}

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await once(server.close(), 'close');
  await closeApps();
});

async function served(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What is used of Express. */
interface Application {
  all(path: string, handler: typeof deny): unknown;
}

type Instance = RequestListener & { readonly routing?: RequestListener };

/** Ways by which requests come to an application past its own server, and the path that is before its own. */
const WAYS: Readonly<Record<string, readonly [string, (instance: RequestListener) => RequestListener]>> = {
  'a server of its own': ['', (instance) => instance],
  'an application that it is mounted below': [
    '/sub',
    // As Express does it.
    (instance) => (incoming, response) => {
      Object.assign(incoming, { originalUrl: incoming.url });
      incoming.url = incoming.url!.slice('/sub'.length);
      instance(incoming, response);
    },
  ],
};

/** What single-page applications, proxies and short links have; `*` is Fastify's spelling. */
const CATCH_ALLS: readonly (readonly [string, ...MethodDecorator[]])[] = [
  ['', Get('*')],
  ['', All('*')],
  ['*', Get()],
  [':anything/:more/:x', All()],
  ['', Get(':anything/:more/'), Get(':a/:b/:c'), Post(':a/:b/:c')],
];

/** Middleware of one method is a route for Express, as the catch-alls are. */
@Module({})
class MiddlewareModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer
      .apply((_: unknown, response: ServerResponse, next: () => void) => {
        response.setHeader('x-middleware', 'has run');
        next();
      })
      .forRoutes({ path: '{*path}', method: RequestMethod.GET });
  }
}

const deny = (_: unknown, response: ServerResponse): void => {
  response.statusCode = 401;
  response.end('denied');
};

/** As {@link MiddlewareModule}, for the endpoints only. */
function denyingAt(path: string, method: RequestMethod): Type {
  @Module({})
  class DenyingModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(deny).forRoutes({ path, method });
    }
  }
  return DenyingModule;
}

function catchAllAt([path, ...routes]: (typeof CATCH_ALLS)[number]): Type {
  class CatchAllController {}
  const prototype = CatchAllController.prototype as unknown as Record<string, () => string>;
  routes.forEach((decorate, i) => {
    prototype[`page${i}`] = () => '<html>';
    decorate(prototype, `page${i}`, Object.getOwnPropertyDescriptor(prototype, `page${i}`)!);
  });
  Controller(path)(CatchAllController);
  return CatchAllController;
}

describe.each(ADAPTERS)('where Nest has mapped the endpoints on %s', (adapter) => {
  it.each(MAPPINGS)('the whole contract holds: $name', async ({ setup, bases }) => {
    const { url } = await startMapped(adapter, setup);
    for (const base of bases) expect(await brokenAt(url + base)).toEqual([]);
  });

  it.each(Object.entries(WAYS))('requests that come by %s find the whole contract', async (_, [path, by]) => {
    const { app } = await startMapped(adapter, {});
    const instance = app.getHttpAdapter().getInstance() as Instance;
    const base = `${await served(by(instance.routing ?? instance))}${path}/debug/pprof`;
    const broken = await brokenAt(base, SHORT_CONTRACT);
    // Fastify refuses a broken escape before anything can see the request.
    expect(broken.filter((line) => adapter === 'express' || !line.includes('/%zz'))).toEqual([]);
    expect((await request({ base, path: '/' })).text).toContain(
      `go tool pprof -http=: &#39;${base}/heap?gc=1&#39;</code>`,
    );
  });

  it.each(CATCH_ALLS)(
    'catch-alls of the root module leave the whole contract to the endpoints: at %j (%#)',
    async (...catchAll) => {
      const { url, base } = await startMapped(adapter, {
        imports: [MiddlewareModule],
        controllers: [catchAllAt(catchAll), UptimeController],
      });
      expect(await brokenAt(base)).toEqual([]);
      expect((await request(`${url}/one/two/three`)).text).toBe('<html>');
      expect((await request(`${base}/leases`)).headers['x-middleware']).toBe('has run');
    },
  );
});

describe.each(ADAPTERS)("the application's own middleware at our path on %s", (adapter) => {
  it.each([
    ['debug/pprof/*p', RequestMethod.GET],
    ['debug/pprof/*p', RequestMethod.ALL],
    ['debug/pprof{/*p}', RequestMethod.GET],
  ])('denies a request before the endpoints are asked: %s (%#)', async (path, method) => {
    const { base } = await startApp(adapter, { imports: [denyingAt(path, method)] });
    for (const name of ['cmdline', 'heap', 'nope'])
      expect(await request(`${base}/${name}`)).toMatchObject({ status: 401, text: 'denied' });
  });

  it('for one endpoint and one method denies that only', async () => {
    const { base } = await startApp(adapter, {
      imports: [denyingAt('debug/pprof/cmdline', RequestMethod.GET)],
    });
    expect((await request(`${base}/cmdline`)).status).toBe(401);
    expect((await request(`${base}/cmdline`, { method: 'POST' })).status).toBe(405);
    expect((await request(`${base}/heap`)).status).toBe(200);
  });
});

it.each([
  ['one path', '/debug/pprof/cmdline', 200],
  ['all paths', '/debug/pprof/*rest', 401],
])(
  'a route of Express at our path, there before the boot, serves its requests: %s',
  async (_, path, heap) => {
    const { base } = await startApp('express', {
      configure: (app) => (app.getHttpAdapter().getInstance() as Application).all(path, deny),
    });
    expect(await request(`${base}/cmdline`)).toMatchObject({ status: 401, text: 'denied' });
    expect((await request(`${base}/heap`)).status).toBe(heap);
  },
);

it("a server that Fastify's serverFactory makes serves the whole contract", async () => {
  const { base } = await startApp('fastify', {
    controllers: [UptimeController],
    httpAdapter: new FastifyAdapter({
      serverFactory: (handler: RequestListener) => createServer((...parts) => handler(...parts)),
    }),
  });
  expect(await brokenRows(base, SHORT_CONTRACT)).toEqual([]);
});

it.each([
  { routerOptions: { caseSensitive: false } },
  { routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } },
  { routerOptions: { useSemicolonDelimiter: true } },
])("Fastify's router options change no reply: %j", async (options) => {
  const { url } = await startMapped('fastify', { httpAdapter: new FastifyAdapter(options) });
  expect(await brokenAt(`${url}/debug/pprof`)).toEqual([]);
  for (const path of ['/HEAP', '/heap/', '//heap', '/heap;x=1', '/Leases'])
    expect([path, (await request(`${url}/debug/pprof${path}`)).text]).toEqual([path, 'Unknown profile\n']);
  for (const path of ['/DEBUG/pprof/heap', '/DEBUG/pprof/leases', '/debug//pprof/heap'])
    expect([path, (await request(url + path)).status]).toEqual([path, 404]);
});
