import { EventEmitter, once } from 'node:events';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  type INestApplication,
  Injectable,
  Module,
  type PipeTransform,
  Query,
  VersioningType,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import fastifyCompress from '@fastify/compress';
import { afterEach, describe, expect, it } from '@jest/globals';
// @ts-expect-error it has no types
import compression from 'compression';
import { finalize, map, timeout } from 'rxjs';
import { ProfilerService } from '../../src/index.js';
import { ADAPTERS, type AdapterName, type AppSetup, closeApps, startApp } from '../support/app.js';
import { UptimeController } from '../support/application-parts.js';
import { brokenRows, type ContractRow, SHORT_CONTRACT } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { useHelmet } from '../support/helmets.js';
import { request } from '../support/http.js';

@Controller('cats')
class CatsController {
  @Get()
  all(@Query('name') name?: string): object {
    return { name: name ?? 'x'.repeat(2000) };
  }

  @Get('bad')
  bad(): never {
    throw new HttpException('bad cat', 418);
  }
}

@Catch()
class JsonFilter implements ExceptionFilter {
  constructor(private readonly app: INestApplication) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.app.get(HttpAdapterHost);
    httpAdapter.reply(host.switchToHttp().getResponse(), { wrapped: String(error) }, 200);
  }
}

class ManglingPipe implements PipeTransform {
  transform(): string {
    return 'mangled';
  }
}

/** What applications do, and how to see on a route of their own that it works. */
interface Machinery {
  readonly name: string;
  configure(app: INestApplication, adapter: AdapterName): unknown;
  readonly options?: AppSetup['options'];
  /** Requests to `/cats`. */
  works?(url: string): Promise<unknown>;
  /** Of the rows of the contract, those that hold. */
  readonly holds?: (row: ContractRow) => boolean;
}

/** Of an interceptor that ends requests which take longer. */
const TIMEOUT_MS = 20;

/** Preflights are the application's. */
const isNoPreflight = ({ method }: ContractRow): boolean => method !== 'OPTIONS';

const GZIP = { headers: { 'accept-encoding': 'gzip' } };

const json = async (address: string): Promise<unknown> => JSON.parse((await request(address)).text);

const MACHINERY: readonly Machinery[] = [
  {
    name: 'an interceptor that wraps responses',
    configure: (app) =>
      app.useGlobalInterceptors({
        intercept: (_, next) => next.handle().pipe(map((data: unknown) => ({ data }))),
      }),
    works: async (url) => expect(await json(`${url}/cats?name=a`)).toEqual({ data: { name: 'a' } }),
  },
  {
    name: 'a filter that responds with JSON',
    configure: (app) => app.useGlobalFilters(new JsonFilter(app)),
    works: async (url) =>
      expect(await json(`${url}/cats/bad`)).toEqual({ wrapped: 'HttpException: bad cat' }),
  },
  {
    name: 'an interceptor with a timeout',
    configure: (app) =>
      app.useGlobalInterceptors({ intercept: (_, next) => next.handle().pipe(timeout(TIMEOUT_MS)) }),
  },
  {
    name: 'a pipe that changes everything',
    configure: (app) => app.useGlobalPipes(new ManglingPipe()),
    works: async (url) => expect(await json(`${url}/cats?name=a`)).toEqual({ name: 'mangled' }),
  },
  {
    name: 'compression',
    configure: (app, adapter) =>
      adapter === 'express'
        ? app.use((compression as (options: object) => unknown)({ threshold: 0 }))
        : (app as NestFastifyApplication).register(fastifyCompress, { global: true, threshold: 0 }),
    works: async (url) =>
      expect((await request(`${url}/cats`, GZIP)).headers['content-encoding']).toBe('gzip'),
  },
  {
    name: 'helmet',
    configure: useHelmet,
    works: async (url) =>
      expect((await request(`${url}/cats`)).headers['x-frame-options']).toBe('SAMEORIGIN'),
  },
  {
    name: 'CORS',
    configure: (app) => app.enableCors({ origin: 'https://ops.example' }),
    holds: isNoPreflight,
  },
  { name: 'no body parser', configure: () => undefined, options: { bodyParser: false } },
  { name: 'raw bodies', configure: () => undefined, options: { rawBody: true } },
  {
    name: 'a global prefix that excludes the endpoints',
    configure: (app) => app.setGlobalPrefix('api', { exclude: ['debug/pprof', 'debug/pprof/{*rest}'] }),
    works: async (url) => expect((await request(`${url}/api/cats`)).status).toBe(200),
  },
  {
    name: 'versions in the path',
    configure: (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    works: async (url) => expect((await request(`${url}/v1/cats`)).status).toBe(200),
  },
  {
    name: 'versions in a header',
    configure: (app) =>
      app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version', defaultVersion: '2' }),
    works: async (url) => {
      expect((await request(`${url}/cats`, { headers: { 'x-version': '2' } })).status).toBe(200);
      expect((await request(`${url}/cats`, { headers: { 'x-version': '9' } })).status).toBe(404);
    },
  },
  {
    name: 'middleware that sets other headers',
    configure: (app) =>
      app.use((_: unknown, response: { setHeader(name: string, value: string): void }, next: () => void) => {
        for (const [name, value] of [
          ['cache-control', 'public, max-age=31536000'],
          ['x-content-type-options', 'sniff'],
          ['content-type', 'application/json'],
        ] as const) {
          response.setHeader(name, value);
        }
        next();
      }),
  },
];

describe.each(ADAPTERS)("the application's own machinery on %s", (adapter) => {
  afterEach(closeApps);

  it.each(MACHINERY)('$name works, and changes no response of the endpoints', async (machinery) => {
    const { configure, options, works, holds = () => true } = machinery;
    const { url, base } = await startApp(adapter, {
      controllers: [CatsController, UptimeController],
      options,
      configure: (app) => configure(app, adapter),
    });
    await works?.(url);
    expect(await brokenRows(base, SHORT_CONTRACT.filter(holds))).toEqual([]);
    expect(await request(`${base}/uptime`)).toMatchObject({ status: 200, text: 'up\n' });
  });

  it('all of it together changes no response, and ends no capture', async () => {
    const together = MACHINERY.filter(({ name }) => !/prefix|versions|raw|no body/.test(name));
    const { url, close, sampling } = await startApp(adapter, {
      configure: async (app) => {
        for (const { configure } of together) await configure(app, adapter);
        app.setGlobalPrefix('api');
        app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      },
    });
    const base = `${url}/api/debug/pprof`;
    expect(await brokenRows(base, SHORT_CONTRACT.filter(isNoPreflight))).toEqual([]);
    const begun = sampling.begun();
    const answer = request(`${base}/profile?seconds=30`, GZIP);
    await begun;
    await close();
    expect(new DecodedProfile((await answer).body).total('samples')).toBe(100);
  });

  it('global interceptors see a request end at once, so that none of them can time a capture out', async () => {
    const seen = new EventEmitter();
    const { base, close, sampling } = await startApp(adapter, {
      configure: (app) =>
        app.useGlobalInterceptors({
          intercept: (_, next) => next.handle().pipe(finalize(() => seen.emit('end'))),
        }),
    });
    const [begun, ended] = [sampling.begun(), once(seen, 'end')];
    const answer = request(`${base}/profile?seconds=30`);
    await Promise.all([begun, ended]);
    expect(sampling.running.cpu).toBe(1);
    await close();
    const { status, body } = await answer;
    expect([status, new DecodedProfile(body).total('samples')]).toEqual([200, 100]);
  });

  it("helmet's headers are kept, and the index page has a policy of its own", async () => {
    const { base } = await startApp(adapter, { configure: (app) => useHelmet(app, adapter) });
    const page = await request({ base, path: '/' });
    expect(page.headers).toMatchObject({
      'x-frame-options': 'SAMEORIGIN',
      'strict-transport-security': expect.stringContaining('max-age='),
      'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
    });
    expect((await request(`${base}/heap`)).headers['x-frame-options']).toBe('SAMEORIGIN');
    expect((await request(`${base}/nope`)).headers['x-frame-options']).toBe('SAMEORIGIN');
  });

  it('CORS headers are on all responses, and preflights are answered', async () => {
    const { base } = await startApp(adapter, {
      configure: (app) => app.enableCors({ origin: 'https://ops.example', credentials: true }),
    });
    const headers = { origin: 'https://ops.example' };
    for (const name of ['heap', 'nope', 'cmdline']) {
      expect((await request(`${base}/${name}`, { headers })).headers).toMatchObject({
        'access-control-allow-origin': 'https://ops.example',
        'access-control-allow-credentials': 'true',
      });
    }
    const preflight = await request(`${base}/heap`, {
      method: 'OPTIONS',
      headers: { ...headers, 'access-control-request-method': 'GET' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-methods']).toContain('GET');
  });

  it("the application's own routes and its 404 do not change", async () => {
    const { url } = await startApp(adapter, { controllers: [CatsController] });
    expect(await json(`${url}/cats?name=h%65ap`)).toEqual({ name: 'heap' });
    for (const path of ['/debug', '/debug/pprofile', '/debug/pprof-2/heap', '/debug/pproF/heap', '/nope']) {
      const answer = await request(url + path);
      expect([path, answer.status]).toEqual([path, 404]);
    }
  });

  it('a Swagger document does not list the endpoints', async () => {
    const { app } = await startApp(adapter, { controllers: [CatsController, UptimeController] });
    const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    expect(Object.keys(paths)).toEqual(['/cats', '/cats/bad']);
  });

  it('boots where conflicts of routes are errors', async () => {
    const { base } = await startApp(adapter, {
      controllers: [CatsController, UptimeController],
      options: { routeConflictPolicy: { duplicate: 'error', shadow: 'error' } },
    });
    expect((await request(`${base}/heap`)).status).toBe(200);
  });

  it('isGlobal lets every module inject ProfilerService, and without it none can', async () => {
    @Injectable()
    class Feature {
      constructor(readonly profiler: ProfilerService) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}
    const start = (isGlobal: boolean): Promise<{ app: INestApplication }> =>
      startApp(adapter, { imports: [FeatureModule], pprof: { isGlobal } });
    const { app } = await start(true);
    expect(app.get(Feature, { strict: false }).profiler.lookup('heap')?.name).toBe('heap');
    await expect(start(false)).rejects.toThrow(/resolve dependencies of the Feature/);
  });
});
