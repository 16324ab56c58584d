import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
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
  type Type,
  VersioningType,
} from '@nestjs/common';
import { HttpAdapterHost, NestFactory } from '@nestjs/core';
import { Transport } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import fastifyCompress from '@fastify/compress';
import fastifyHelmet from '@fastify/helmet';
import { afterEach, describe, expect, it } from '@jest/globals';
// @ts-expect-error it has no types
import compression from 'compression';
import helmet from 'helmet';
import { Profile } from 'pprof-format';
import { map, timeout } from 'rxjs';
import { PprofEndpoint, PprofModule, ProfilerService } from '../../src/index.js';
import {
  adapterNamed,
  ADAPTERS,
  type AdapterName,
  type AppSetup,
  closeApps,
  INSPECTOR,
  startApp,
} from '../support/app.js';
import { checkRow, CONTRACT, type ContractRow } from '../support/contract.js';
import { type Answer, request } from '../support/http.js';

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

@PprofEndpoint({ name: 'uptime', description: 'Seconds since the start.' })
class UptimeController {
  @Get()
  read(): string {
    return 'up\n';
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
  /** Before the path of the module. */
  readonly prefix?: string;
}

const GZIP = { headers: { 'accept-encoding': 'gzip' } };

const json = async (address: string): Promise<unknown> => JSON.parse((await request(address)).text);

const MACHINERY: readonly Machinery[] = [
  {
    name: 'an interceptor that wraps answers',
    configure: (app) =>
      app.useGlobalInterceptors({
        intercept: (_, next) => next.handle().pipe(map((data: unknown) => ({ data }))),
      }),
    works: async (url) => expect(await json(`${url}/cats?name=a`)).toEqual({ data: { name: 'a' } }),
  },
  {
    name: 'a filter that answers JSON',
    configure: (app) => app.useGlobalFilters(new JsonFilter(app)),
    works: async (url) =>
      expect(await json(`${url}/cats/bad`)).toEqual({ wrapped: 'HttpException: bad cat' }),
  },
  {
    name: 'an interceptor that ends what takes long',
    configure: (app) =>
      app.useGlobalInterceptors({ intercept: (_, next) => next.handle().pipe(timeout(20)) }),
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
    configure: helmets,
    works: async (url) =>
      expect((await request(`${url}/cats`)).headers['x-frame-options']).toBe('SAMEORIGIN'),
  },
  {
    name: 'CORS',
    configure: (app) => app.enableCors({ origin: 'https://ops.example' }),
    holds: ({ method }) => method !== 'OPTIONS', // preflights are the application's
  },
  { name: 'no body parser', configure: () => undefined, options: { bodyParser: false } },
  { name: 'raw bodies', configure: () => undefined, options: { rawBody: true } },
  {
    name: 'a global prefix',
    configure: (app) => app.setGlobalPrefix('/api/v1/'),
    prefix: '/api/v1',
    works: async (url) => expect((await request(`${url}/api/v1/cats`)).status).toBe(200),
  },
  {
    name: 'a global prefix that leaves us out',
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
    name: 'middleware that has other ideas about headers',
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

/** One row of each kind: enough to see that something bends answers. */
const KINDS = [
  ...new Map(
    CONTRACT.map((row) => [
      [row.method, row.status, row.text, row.type, row.headers && 1, row.body && 1].join(),
      row,
    ]),
  ).values(),
];
const SHORT = KINDS.filter(({ path, method }) => method === 'HEAD' || !path.endsWith('profile?seconds=1'));

async function helmets(app: INestApplication, adapter: AdapterName): Promise<void> {
  if (adapter === 'express') app.use(helmet());
  else await (app as NestFastifyApplication).register(fastifyHelmet, { global: true });
}

/** What each row says that does not hold. */
async function broken(base: string, rows: readonly ContractRow[]): Promise<string[]> {
  const errors: string[] = [];
  for (const row of rows) {
    await checkRow(base, row).catch((error: unknown) => errors.push(String(error).split('\n')[0]!));
  }
  return errors;
}

const decode = ({ body }: Answer): Profile => Profile.decode(gunzipSync(body));

describe.each(ADAPTERS)("the application's own machinery on %s", (adapter) => {
  afterEach(closeApps);

  describe.each(MACHINERY)('$name', ({ configure, options, works, holds = () => true, prefix = '' }) => {
    it('works, and changes no answer of ours', async () => {
      const { url } = await startApp(adapter, {
        controllers: [CatsController, UptimeController],
        options,
        configure: (app) => configure(app, adapter),
      });
      await works?.(url);
      const base = `${url}${prefix}/debug/pprof`;
      expect(await broken(base, SHORT.filter(holds))).toEqual([]);
      expect(decode(await request(`${base}/heap`, GZIP)).sampleType).toHaveLength(4);
      expect(await request(`${base}/uptime`)).toMatchObject({ status: 200, text: 'up\n' });
    });
  });

  it('all of it together changes no answer either, and ends no capture', async () => {
    const together = MACHINERY.filter(({ name }) => !/left|leaves|prefix|versions|raw|no body/.test(name));
    const { url } = await startApp(adapter, {
      configure: async (app) => {
        for (const { configure } of together) await configure(app, adapter);
        app.setGlobalPrefix('api');
        app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      },
    });
    const base = `${url}/api/debug/pprof`;
    expect(
      await broken(
        base,
        SHORT.filter(({ method }) => method !== 'OPTIONS'),
      ),
    ).toEqual([]);
    const answer = await request(`${base}/profile?seconds=1`, GZIP);
    expect(answer.status).toBe(200);
    expect(Number(decode(answer).durationNanos)).toBeGreaterThan(0.95e9);
  });

  it('a capture outlasts an interceptor with a timeout', async () => {
    const { base } = await startApp(adapter, {
      configure: (app) =>
        app.useGlobalInterceptors({ intercept: (_, next) => next.handle().pipe(timeout(20)) }),
    });
    const answer = await request(`${base}/profile?seconds=1`);
    expect(answer.status).toBe(200);
    expect(Number(decode(answer).durationNanos)).toBeGreaterThan(0.95e9);
  });

  it("helmet's headers stay, and the page keeps its own policy", async () => {
    const { base } = await startApp(adapter, { configure: (app) => helmets(app, adapter) });
    const page = await request({ base, path: '/' });
    expect(page.headers).toMatchObject({
      'x-frame-options': 'SAMEORIGIN',
      'strict-transport-security': expect.stringContaining('max-age='),
      'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src 'sha256-/),
    });
    expect((await request(`${base}/heap`)).headers['x-frame-options']).toBe('SAMEORIGIN');
    expect((await request(`${base}/nope`)).headers['x-frame-options']).toBe('SAMEORIGIN');
  });

  it('CORS headers are on our answers, and preflights are answered', async () => {
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

  it('our endpoints are at one path only, with a prefix or left out of it', async () => {
    const prefixed = await startApp(adapter, { configure: (app) => app.setGlobalPrefix('api') });
    expect((await request(`${prefixed.url}/api/debug/pprof/heap`)).status).toBe(200);
    expect((await request(`${prefixed.url}/debug/pprof/heap`)).status).toBe(404);
    const excluded = await startApp(adapter, {
      configure: (app) => app.setGlobalPrefix('api', { exclude: ['debug/pprof', 'debug/pprof/{*rest}'] }),
    });
    expect((await request(`${excluded.url}/debug/pprof/heap`)).status).toBe(200);
    expect((await request(`${excluded.url}/debug/pprof`)).status).toBe(307);
    expect((await request(`${excluded.url}/api/debug/pprof/heap`)).status).toBe(404);
  });

  it("the application's own routes do not change: bodies, names, statuses", async () => {
    const { url } = await startApp(adapter, { controllers: [CatsController] });
    expect(await json(`${url}/cats?name=h%65ap`)).toEqual({ name: 'heap' });
    for (const path of ['/debug', '/debug/pprofile', '/debug/pprof-2/heap', '/debug/pproF/heap', '/nope']) {
      const answer = await request(url + path);
      expect([path, answer.status]).toEqual([path, 404]);
    }
  });

  it('a Swagger document has none of our routes', async () => {
    const { app } = await startApp(adapter, { controllers: [CatsController, UptimeController] });
    const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    expect(Object.keys(paths)).toEqual(['/cats', '/cats/bad']);
  });

  it('boots where conflicts of routes are errors', async () => {
    @Module({ imports: [PprofModule.forRoot(INSPECTOR)], controllers: [CatsController, UptimeController] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, adapterNamed(adapter), {
      logger: false,
      abortOnError: false,
      routeConflictPolicy: { duplicate: 'error', shadow: 'error' },
    });
    try {
      await app.listen(0, '127.0.0.1');
      expect((await request(`${await app.getUrl()}/debug/pprof/heap`)).status).toBe(200);
    } finally {
      await app.close();
    }
  });

  it('every module can inject ProfilerService with isGlobal, and only then', async () => {
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

  it('two at once: captures of the heap share nothing with each other', async () => {
    const { base } = await startApp(adapter);
    const answers = await Promise.all([1, 2, 3, 4].map(() => request(`${base}/heap?gc=1`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    for (const answer of answers) expect(decode(answer).sample.length).toBeGreaterThan(0);
  });
});

describe.each(ADAPTERS)('requests that come past the server, as in serverless adapters, on %s', (adapter) => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await once(server.close(), 'close');
    await closeApps();
  });

  /** A server of its own that hands requests to the adapter's router, as Fastify's `inject` and Lambda adapters do. */
  const startPast = async (setup: AppSetup = {}): Promise<string> => {
    const { app } = await startApp(adapter, setup);
    const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
    const server = createServer(instance.routing ?? instance).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/debug/pprof`;
  };

  it('get the same answers', async () => {
    const base = await startPast();
    const heap = await request(`${base}/heap`);
    expect(heap.status).toBe(200);
    expect(heap.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="heap"',
      'cache-control': 'no-store, no-transform',
    });
    expect(decode(heap).sampleType).toHaveLength(4);
    expect(await request(`${base}/profile?seconds=9999`)).toMatchObject({
      status: 400,
      text: 'seconds exceeds the maximum of 300\n',
    });
    for (const name of ['HEAP', 'heap/', 'nope']) expect((await request(`${base}/${name}`)).status).toBe(404);
  });

  it('meet the same guards', async () => {
    const base = await startPast({ pprof: { guards: [{ canActivate: () => false }] } });
    for (const path of ['/heap', '/', '/HEAP', '//heap', '/heap/', '/h%65ap']) {
      const { status, body } = await request({ base, path });
      expect([path, [403, 404].includes(status), body.length < 200]).toEqual([path, true, true]);
    }
    expect(await request(`${base}/heap`)).toMatchObject({ status: 403, text: 'Forbidden resource\n' });
    const open = await startPast();
    const foreign = await request(`${open}/heap`, { headers: { 'x-forwarded-for': '127.0.0.1' } });
    expect(foreign.status).toBe(403);
  });
});

/** Sample types of a CPU profile and of a heap profile, taken in code. */
async function captured(profiler: ProfilerService): Promise<number[]> {
  const both = [await profiler.cpuProfile({ seconds: 0.01 }), await profiler.heapProfile()];
  const encoded = await Promise.all(both.map((one) => one.encode()));
  return encoded.map((bytes) => Profile.decode(gunzipSync(bytes)).sampleType.length);
}

describe('an application without HTTP', () => {
  @Module({ imports: [PprofModule.forRoot(INSPECTOR)], controllers: [UptimeController] })
  class AppModule {}

  it('an application context boots and captures', async () => {
    const context = await NestFactory.createApplicationContext(AppModule, {
      logger: false,
      abortOnError: false,
    });
    expect(await captured(context.get(ProfilerService))).toEqual([2, 4]);
    await context.close();
  });

  it('a microservice boots and captures', async () => {
    const microservice = await NestFactory.createMicroservice(AppModule as Type, {
      transport: Transport.TCP,
      options: { port: 0, host: '127.0.0.1' },
      logger: false,
      abortOnError: false,
    });
    await microservice.listen();
    expect(await captured(microservice.get(ProfilerService))).toEqual([2, 4]);
    await microservice.close();
  });
});
