import { once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  type INestApplication,
  type INestApplicationContext,
  Inject,
  Injectable,
  type LoggerService,
  type NestInterceptor,
  Scope,
  UnauthorizedException,
  VersioningType,
} from '@nestjs/common';
import { APP_GUARD, REQUEST } from '@nestjs/core';
import { Transport } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom, Subject } from 'rxjs';
import { NOT_LOCAL } from '../../src/http/access.guard.js';
import { PprofModule, ProfilerService } from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import { adapterNamed, ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { KeyGuard, line, Order, SESAME, UptimeController } from '../support/application-parts.js';
import { until } from '../support/async.js';
import { brokenRows, SHORT_CONTRACT, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request, type RequestOptions } from '../support/http.js';
import { MadeUpSampling } from '../support/made-up-sampling.js';

const WITHOUT_HTTP = ['a microservice', 'an application context'] as const;
type Kind = (typeof ADAPTERS)[number] | (typeof WITHOUT_HTTP)[number];

const isAdapter = (kind: Kind): kind is (typeof ADAPTERS)[number] => ADAPTERS.some((name) => name === kind);

interface Listening {
  readonly app: INestApplicationContext & Partial<Pick<INestApplication, 'getHttpAdapter'>>;
  readonly sampling: MadeUpSampling;
  /** Addresses of the endpoints on ports of their own, without a slash at the end. */
  readonly bases: readonly string[];
  readonly base: string;
  /** The application's own address; empty without HTTP. */
  readonly url: string;
  /** The log, without timestamps and contexts. */
  readonly lines: readonly string[];
  close(): Promise<void>;
}

const contexts = new Set<INestApplicationContext>();
const servers: Server[] = [];
const sockets: Socket[] = [];
const { NODE_ENV } = process.env;

afterEach(async () => {
  process.env.NODE_ENV = NODE_ENV;
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) await once(server.close(), 'close');
  await closeApps();
  for (const context of contexts) await close(context);
});

async function close(context: INestApplicationContext): Promise<void> {
  if (contexts.delete(context)) await context.close();
}

/** An application of that kind whose module has a port of its own, unless `pprof` says otherwise. */
async function start(kind: Kind, setup: AppSetup = {}): Promise<Listening> {
  const lines: string[] = [];
  const pprof = setup.pprof !== false && { listen: { port: 0 }, ...setup.pprof };
  const booted = isAdapter(kind)
    ? await startApp(kind, { ...setup, pprof, options: { ...setup.options, logger: logTo(lines) } })
    : await startWithoutHttp(kind, { ...setup, pprof }, logTo(lines));
  const bases = lines.flatMap((line) => /^(?:Serving|Not serving) (http:\S+)\/:? /.exec(line)?.[1] ?? []);
  return { ...booted, bases, base: bases[0]!, lines };
}

async function startWithoutHttp(
  kind: Kind,
  { imports = [], controllers, providers, pprof }: AppSetup,
  logger: LoggerService,
): Promise<Pick<Listening, 'app' | 'sampling' | 'url' | 'close'>> {
  const sampling = new MadeUpSampling();
  const module = await Test.createTestingModule({
    imports: [...imports, ...(pprof ? [PprofModule.forRoot(pprof)] : [])],
    controllers,
    providers,
  })
    .overrideProvider(PPROF_SAMPLING)
    .useValue(sampling)
    .compile();
  module.useLogger(logger);
  if (kind === 'an application context') {
    await module.init();
    sampling.cold = 'V8 is left alone'; // by traces
    contexts.add(module);
    return { app: module, sampling, url: '', close: () => close(module) };
  }
  const options = { transport: Transport.TCP, options: { port: 0, host: '127.0.0.1' } } as const;
  const app = module.createNestMicroservice({ ...options, logger });
  await app.listen();
  sampling.cold = 'V8 is left alone'; // by traces
  contexts.add(app);
  return { app, sampling, url: '', close: () => close(app) };
}

function logTo(lines: string[]): LoggerService {
  const log = (message: unknown): void => void lines.push(String(message));
  return { log, warn: log, error: log };
}

/** Says when a request has passed the guards. */
class Arrivals implements NestInterceptor {
  private readonly arrivals = new Subject<void>();

  intercept(_: ExecutionContext, next: CallHandler): ReturnType<NestInterceptor['intercept']> {
    this.arrivals.next();
    return next.handle();
  }

  next(): Promise<void> {
    return firstValueFrom(this.arrivals);
  }
}

@Injectable()
class Keys {
  readonly key = 'sesame';
}

@Injectable({ scope: Scope.REQUEST })
class RequestScopedGuard implements CanActivate {
  constructor(
    private readonly keys: Keys,
    @Inject(REQUEST) private readonly request: IncomingMessage,
  ) {}

  canActivate(): boolean {
    if (this.request.headers['x-key'] !== this.keys.key) throw new UnauthorizedException();
    return true;
  }
}

class AsyncGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(new KeyGuard('sesame').canActivate(context));
  }
}

const GUARDS: readonly (readonly [string, AppSetup])[] = [
  ['an instance', { pprof: { guards: [new KeyGuard('sesame')] } }],
  ['a class that is asynchronous', { pprof: { guards: [AsyncGuard] } }],
  [
    'a request-scoped class',
    { pprof: { guards: [RequestScopedGuard] }, providers: [Keys, RequestScopedGuard] },
  ],
];

const UNAUTHORIZED = line(401, 'Unauthorized');
const NOT_FOUND = line(404, '404 page not found');
const UNKNOWN = line(404, TEXTS.unknown);
/** Of a port whose endpoints are at /debug/pprof. */
const ELSEWHERE = [
  '/',
  '/cats',
  '/debug',
  '/debug/',
  '/debug/pprofile',
  '/DEBUG/pprof/heap',
  '/api/debug/pprof/heap',
  '//debug/pprof/heap',
  '/debug//pprof/heap',
  '/heap',
  '/_',
  '/cats?/debug/pprof/heap',
];

const PATHS = ['/heap', '/', '', '/nope', '/trace', '/%zz'];

/** A microservice is served as an application context is. */
describe.each([...ADAPTERS, 'an application context'] as const)('the option listen in %s', (kind) => {
  describe('serves the endpoints', () => {
    it.each(['debug/pprof', 'ops/.profiles'])(
      'by the contract at the path %s of a port of their own',
      async (path) => {
        const { base } = await start(kind, { pprof: { path } });
        expect(new URL(base).pathname).toBe(`/${path}`);
        expect(await brokenRows(base, SHORT_CONTRACT)).toEqual([]);
        expect(new DecodedProfile((await request(`${base}/heap`)).body).flat('inuse_space', 'hold')).toBe(
          2 ** 21,
        );
      },
    );

    it('on 127.0.0.1 only, at an address that the log has once', async () => {
      const { base, lines } = await start(kind);
      expect(base).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/debug\/pprof$/);
      expect(lines.filter((line) => line.includes(base))).toHaveLength(1);
      await expect(request(base.replace('127.0.0.1', '127.0.0.2'))).rejects.toThrow('ECONNREFUSED');
    });

    it.each(['localhost', '127.0.0.2'])('on another host of this machine: %s', async (host) => {
      const { base } = await start(kind, { pprof: { listen: { port: 0, host } } });
      expect(new URL(base).hostname).toBe(host);
      expect((await request(`${base}/heap`)).status).toBe(200);
    });

    it('and an index whose commands have that port', async () => {
      const { base } = await start(kind);
      expect((await request({ base, path: '/' })).text).toContain(
        `go tool pprof -http=: &#39;${base}/heap?gc=1&#39;</code>`,
      );
    });

    it('with own profiles, whose addresses POST symbol names', async () => {
      const { app, base } = await start(kind);
      app.get(ProfilerService).newProfile('leases').add({});
      const [place] = new DecodedProfile((await request(`${base}/leases`)).body).places;
      const body = `0x${place!.address.toString(16)}`;
      const reply = await request(`${base}/symbol`, { method: 'POST', body });
      expect(reply).toMatchObject({ status: 200, text: `num_symbols: 1\n${body} ${place!.name}\n` });
    });

    it('to several requests on one connection', async () => {
      const { base } = await start(kind);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ports = new Set<unknown>();
      for (const path of ['/heap', '/cmdline', '/nope', '/../../elsewhere']) {
        const [answer] = (await once(get(base + path, { agent }), 'response')) as [IncomingMessage];
        ports.add(answer.socket.localPort);
        await once(answer.resume(), 'end');
      }
      agent.destroy();
      expect(ports.size).toBe(1);
    });

    it('and nothing where enabled is false', async () => {
      const { base } = await start(kind, { pprof: { enabled: false } });
      for (const path of ['/', '/heap', '/nope'])
        expect(await request({ base, path })).toMatchObject(UNKNOWN);
    });

    it('and 404 at other paths', async () => {
      const { base } = await start(kind, { controllers: [CatsController] });
      const { origin } = new URL(base);
      for (const path of ELSEWHERE) {
        const answer = await request({ base: origin, path }, { method: path === '/' ? 'POST' : 'GET' });
        expect(answer).toMatchObject(NOT_FOUND);
        expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff' });
      }
      expect((await request(`${origin}/cats`, { method: 'HEAD' })).status).toBe(404);
    });
  });

  describe('admits', () => {
    it.each(GUARDS)('whom the guards admit: %s', async (_, setup) => {
      const { base } = await start(kind, setup);
      for (const path of PATHS) {
        const refused = await request({ base, path });
        expect(refused).toMatchObject(UNAUTHORIZED);
        expect(refused.headers['x-go-pprof']).toBe('1');
      }
      expect(await request(`${base}/heap`, { method: 'POST', body: '{' })).toMatchObject(UNAUTHORIZED);
      expect((await request(`${base}/heap`, { headers: SESAME })).status).toBe(200);
      expect((await request(`${base}/nope`, { headers: SESAME })).status).toBe(404);
    });

    it('nobody past a guard that returns false, and the interceptors see only the admitted', async () => {
      const order = new Order();
      const guards = [order.guard('one'), order.guard('two', false)];
      const { base, lines } = await start(kind, {
        pprof: { guards, interceptors: [order.interceptor('i')] },
      });
      expect(await request(`${base}/heap`)).toMatchObject(line(403, 'Forbidden resource'));
      expect(order.lines).toEqual(['one', 'two']);
      expect(lines.at(-1)).toBe('GET /debug/pprof/heap for 127.0.0.1: refused with 403 (Forbidden resource)');
    });

    it('requests to the interceptors, which run around the whole capture', async () => {
      const order = new Order();
      const interceptors = [order.interceptor('outer'), order.interceptor('inner')];
      const { base } = await start(kind, { pprof: { interceptors } });
      expect((await request(`${base}/heap`)).status).toBe(200);
      expect(order.lines).toEqual(['outer begins', 'inner begins', 'inner ends', 'outer ends']);
    });

    it.each(['development', 'production'])(
      'programs on this machine without guards, NODE_ENV=%s',
      async (env) => {
        process.env.NODE_ENV = env;
        const { base } = await start(kind);
        for (const path of ['/heap', '/']) expect((await request({ base, path })).status).toBe(200);
        const foreign: Record<string, string>[] = [
          { host: 'pprof.example' },
          { 'x-forwarded-for': '127.0.0.1' },
          { via: '1.1 proxy' },
          { 'sec-fetch-site': 'cross-site' },
        ];
        for (const headers of foreign)
          expect(await request(`${base}/heap`, { headers })).toMatchObject(line(403, NOT_LOCAL));
      },
    );

    it('everybody whom the guards admit on a host that other machines reach', async () => {
      const listen = { port: 0, host: '0.0.0.0' };
      const { base } = await start(kind, { pprof: { listen, guards: [new KeyGuard('sesame')] } });
      const there = base.replace('0.0.0.0', '127.0.0.2');
      expect(await request(`${there}/heap`)).toMatchObject(UNAUTHORIZED);
      const headers = { ...SESAME, host: 'pprof.example', 'x-forwarded-for': '10.0.0.1' };
      expect((await request(`${there}/heap`, { headers })).status).toBe(200);
    });
  });

  describe('fails the boot', () => {
    it('on a port that is in use', async () => {
      const port = await occupiedPort();
      await expect(start(kind, { pprof: { listen: { port } } })).rejects.toThrow(
        `PprofModule: cannot listen on 127.0.0.1:${port} (option "listen"): address already in use`,
      );
    });

    it('on an address of another machine', async () => {
      const pprof = { listen: { port: 6060, host: '192.0.2.1' }, guards: [new KeyGuard('sesame')] };
      await expect(start(kind, { pprof })).rejects.toThrow(
        'PprofModule: cannot listen on 192.0.2.1:6060 (option "listen"): address not available',
      );
    });
  });

  describe('when the application closes', () => {
    it('closes the port', async () => {
      const { base, close } = await start(kind);
      await request(`${base}/heap`);
      await close();
      await expect(request(`${base}/heap`)).rejects.toThrow('ECONNREFUSED');
    });

    it('answers captures in progress: profile with what it has, a delta with 500', async () => {
      const arrivals = new Arrivals();
      const { base, close, sampling } = await start(kind, { pprof: { interceptors: [arrivals] } });
      const agent = new Agent({ keepAlive: true });
      const begun = sampling.begun();
      const profile = answerOf(`${base}/profile?seconds=30`, agent);
      await begun;
      const arrived = arrivals.next();
      const delta = answerOf(`${base}/heap?seconds=30`, agent);
      await arrived;
      await close();
      const { body, ...reply } = await profile;
      expect(reply).toEqual({ status: 200, connection: 'close' });
      expect(new DecodedProfile(body).total('samples')).toBe(100);
      expect(await delta).toEqual({
        status: 500,
        connection: 'close',
        body: Buffer.from('context canceled\n'),
      });
      agent.destroy();
    });

    // Without the server ending them, these would keep it from closing for ever.
    it.each([
      ['is idle', 'GET /debug/pprof/cmdline HTTP/1.1\r\nhost: localhost\r\n\r\n'],
      ['is idle after a 404', 'GET /nope HTTP/1.1\r\nhost: localhost\r\n\r\n'],
      ['has sent nothing', ''],
      ['is within its headers', 'GET /debug/pprof/heap HTTP/1.1\r\nhost:'],
      [
        'is within its body',
        'POST /debug/pprof/heap HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n0x1',
      ],
    ])('does not wait for a connection that %s', async (_, sent) => {
      const { base, close } = await start(kind);
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      sockets.push(socket.on('error', () => {}).resume());
      const gone = once(socket, 'close');
      await once(socket, 'connect');
      const answered = sent.endsWith('\r\n\r\n') ? once(socket, 'data') : request(`${base}/cmdline`); // it has seen both
      if (sent) socket.write(sent);
      await answered;
      await close();
      await gone;
    });
  });

  it.each([
    ['two paths', 'one', 'two'],
    ['one path', 'debug/pprof', 'debug/pprof'],
  ])(
    'gives two modules with %s two ports, with guards and options of their own',
    async (_, first, second) => {
      const { bases } = await start(kind, {
        pprof: false,
        imports: [
          PprofModule.forRoot({ listen: { port: 0 }, path: first, guards: [new KeyGuard('first')] }),
          PprofModule.forRoot({
            listen: { port: 0 },
            path: second,
            guards: [new KeyGuard('second')],
            cmdline: false,
          }),
        ],
      });
      const found = bases.flatMap((base) =>
        ['first', 'second'].map(async (key) => {
          const statuses = ['heap', 'cmdline', 'nope'].map((name) => statusOf(`${base}/${name}`, key));
          return `${key} ${(await Promise.all(statuses)).join(' ')}`;
        }),
      );
      expect((await Promise.all(found)).sort()).toEqual([
        'first 200 200 404',
        'first 401 401 401',
        'second 200 404 404',
        'second 401 401 401',
      ]);
    },
  );

  it('stands beside the factory of forRootAsync', async () => {
    const { base } = await start(kind, {
      pprof: false,
      imports: [
        PprofModule.forRootAsync({
          listen: { port: 0 },
          path: 'later',
          useFactory: async () => Promise.resolve({ maxSeconds: 7 }),
        }),
      ],
    });
    expect(new URL(base).pathname).toBe('/later');
    expect((await request(`${base}/profile?seconds=8`)).text).toBe('seconds exceeds the maximum of 7\n');
  });
});

@Controller('cats')
class CatsController {
  @Get()
  all(): string {
    return 'cats';
  }
}

/** How an application shapes its paths, and where the endpoints would be without a port of their own. */
const SHAPES: readonly (readonly [string, AppSetup & { prefix?: string }])[] = [
  ['nothing', {}],
  ['a global prefix', { configure: (app) => app.setGlobalPrefix('api/v1'), prefix: '/api/v1' }],
  [
    'a global prefix that excludes the endpoints',
    {
      configure: (app) =>
        app.setGlobalPrefix('api', {
          exclude: ['debug', 'a'].flatMap((at) => [`${at}/pprof`, `${at}/pprof/{*rest}`]),
        }),
    },
  ],
  [
    'a global prefix that excludes everything',
    { configure: (app) => app.setGlobalPrefix('api', { exclude: ['{*all}'] }) },
  ],
  [
    'versions in the path, under a prefix',
    {
      configure: (app) =>
        app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
      prefix: '/api',
    },
  ],
  ['no body parser', { options: { bodyParser: false } }],
];

const REQUESTS: readonly RequestOptions[] = [
  {},
  { method: 'HEAD' },
  { method: 'POST', body: '0x1' },
  { method: 'PUT', body: '{"a":' },
];

const NOT_THERE = ['', '/', '/heap', '/uptime', '/nope', '/h%65ap', '/heap?seconds=a'];

describe.each(ADAPTERS)('the option listen beside the port of an application on %s', (adapter) => {
  it.each(SHAPES)('leaves that port without endpoints, whatever paths it has: %s', async (_, setup) => {
    const { base, url } = await start(adapter, { ...setup, controllers: [UptimeController] });
    expect(await brokenRows(base, SHORT_CONTRACT)).toEqual([]);
    const places = new Set(['/debug/pprof', `${setup.prefix ?? ''}/debug/pprof`]);
    for (const options of REQUESTS) {
      for (const at of places) {
        const unknown = await request({ base: url, path: `${at}/heap`.replace('debug', 'a') }, options);
        expect(unknown.status).toBe(404);
        for (const path of NOT_THERE)
          expect({ path, ...shapeOf(await request({ base: url, path: at + path }, options)) }).toEqual({
            path,
            ...shapeOf(unknown),
          });
      }
    }
  });

  it("serves nothing on that port at the random path of the application's router", async () => {
    const { lines, url } = await start(adapter, { controllers: [UptimeController] });
    const routes = lines.flatMap((line) => /^Mapped \{(\S+), \w+\}/.exec(line)?.[1] ?? []);
    const paths = [...new Set(routes)].filter((route) => route.includes('debug/pprof'));
    expect(paths.filter((path) => /\/(heap|profile|uptime)$/.test(path))).toHaveLength(3);
    for (const path of paths) {
      expect(path).toMatch(/^\/[0-9a-f-]{36}\/debug\/pprof/);
      for (const method of ['GET', 'HEAD', 'POST']) {
        const { status, body } = await request({ base: url, path }, { method });
        expect([path, status, body.length < 200]).toEqual([path, 404, true]);
      }
    }
  });

  it("serves the application's own endpoints on the separate port, and none of its other routes", async () => {
    const { base, url } = await start(adapter, { controllers: [UptimeController, CatsController] });
    expect(await request(`${base}/uptime`)).toMatchObject(line(200, 'up'));
    expect(await request(`${base}/uptime`, { method: 'POST' })).toMatchObject(line(200, 'reset'));
    expect((await request({ base, path: '/' })).text).toContain('<a href="uptime">');
    expect((await request(`${url}/cats`)).text).toBe('cats');
    for (const path of ['/cats', '/debug/pprof/../../cats', '/debug/pprof/%2e%2e/%2e%2e/cats'])
      expect((await request({ base: new URL(base).origin, path })).status).toBe(404);
  });

  it.each<[string, AppSetup]>([
    ['APP_GUARD', { providers: [{ provide: APP_GUARD, useValue: new KeyGuard('sesame') }] }],
    ['useGlobalGuards', { configure: (app) => app.useGlobalGuards(new KeyGuard('sesame')) }],
  ])('asks the global guards given by %s', async (_, setup) => {
    const { base } = await start(adapter, setup);
    for (const path of PATHS) expect(await request({ base, path })).toMatchObject(UNAUTHORIZED);
    expect((await request(`${base}/heap`, { headers: SESAME })).status).toBe(200);
  });

  it("runs the application's middleware", async () => {
    const { base } = await start(adapter, {
      configure: (app) =>
        app.use((_: unknown, response: ServerResponse, next: () => void) => {
          response.setHeader('x-middleware', 'has run');
          next();
        }),
    });
    expect((await request(`${base}/heap`)).headers).toMatchObject({ 'x-middleware': 'has run' });
  });

  it.each([
    ['the same path', 'debug/pprof', 'first'],
    ['the same path', 'debug/pprof', 'last'],
    ['another path', 'ops', 'first'],
  ])('leaves a second module at %s, %s, on that port; imported %s', async (_, path, order) => {
    const other = PprofModule.forRoot({ path, guards: [new KeyGuard('other')] });
    const listening = PprofModule.forRoot({ listen: { port: 0 }, guards: [new KeyGuard('listening')] });
    const { app, base, url } = await start(adapter, {
      pprof: false,
      imports: order === 'first' ? [other, listening] : [listening, other],
    });
    expect(await statusOf(`${base}/heap`, 'listening')).toBe(200);
    expect(await statusOf(`${base}/heap`, 'other')).toBe(401);
    expect(await statusOf(`${url}/${path}/heap`, 'other')).toBe(200);
    expect(await statusOf(`${url}/${path}/heap`, 'listening')).toBe(401);
    // Past the server, as serverless adapters do: the guards are still those of that port's module.
    const instance = app.getHttpAdapter!().getInstance() as RequestListener & {
      routing?: RequestListener;
    };
    const past = await portOf(createServer(instance.routing ?? instance));
    expect(await statusOf(`http://127.0.0.1:${past}/${path}/heap`, 'other')).toBe(200);
    expect(await statusOf(`http://127.0.0.1:${past}/${path}/heap`, 'listening')).toBe(401);
    // On the separate port there is only its own module.
    expect(await statusOf(`${new URL(base).origin}/${path}/heap`, 'other')).toBe(path === 'ops' ? 404 : 401);
  });

  it('also serves before that port is open, or if it never is', async () => {
    const port = await freePort();
    const module = await Test.createTestingModule({ imports: [PprofModule.forRoot({ listen: { port } })] })
      .overrideProvider(PPROF_SAMPLING)
      .useValue(new MadeUpSampling())
      .compile();
    const app: INestApplication = module.createNestApplication(adapterNamed(adapter), { logger: false });
    contexts.add(app);
    await app.init();
    expect((await request(`http://127.0.0.1:${port}/debug/pprof/heap`)).status).toBe(200);
    await app.listen(0, '127.0.0.1');
    expect((await request(`http://127.0.0.1:${port}/debug/pprof/heap`)).status).toBe(200);
  });
});

it.each(['0.0.0.0', '::', '10.0.0.1', 'pprof.example', '127.0.0.1.example', 'localhost.example', '0'])(
  'the option listen without guards refuses a host other than loopback: %s',
  (host) => {
    const listen = { port: 0, host };
    const message = `PprofModule: option "listen" has the host "${host}", which other machines can reach: this requires the option "guards"`;
    expect(() => PprofModule.forRoot({ listen })).toThrow(message);
    expect(() => PprofModule.forRootAsync({ listen, useFactory: () => ({}) })).toThrow(message);
  },
);

it('the option listen keeps no process alive, whose life is up to the application', async () => {
  await until(() => setImmediate(), listeningServers); // those of other tests are about to close
  const { base } = await start('an application context');
  expect(listeningServers()).toEqual([]);
  expect((await request(`${base}/heap`)).status).toBe(200);
});

describe.each(WITHOUT_HTTP)('the option listen in %s, which has no router', (kind) => {
  it("does not serve the application's own endpoints, nor list them", async () => {
    const { base } = await start(kind, { controllers: [UptimeController] });
    expect(await request(`${base}/uptime`)).toMatchObject(UNKNOWN);
    expect((await request({ base, path: '/' })).text).not.toContain('<a href="uptime">');
  });

  it('does not ask global guards, which expect messages', async () => {
    const refusing: CanActivate = { canActivate: () => false };
    const { base } = await start(kind, { providers: [{ provide: APP_GUARD, useValue: refusing }] });
    expect((await request(`${base}/heap`)).status).toBe(200);
  });

  it('serves although a global guard is request-scoped', async () => {
    const { base } = await start(kind, {
      providers: [Keys, { provide: APP_GUARD, useClass: RequestScopedGuard }],
    });
    expect((await request(`${base}/heap`)).status).toBe(200);
  });
});

async function answerOf(
  address: string,
  agent: Agent,
): Promise<{ status: unknown; connection: unknown; body: Buffer }> {
  const [answer] = (await once(get(address, { agent }), 'response')) as [IncomingMessage];
  const { statusCode: status, headers } = answer;
  return { status, connection: headers.connection, body: Buffer.concat(await answer.toArray()) };
}

/** Those that keep the process alive. */
function listeningServers(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap');
}

async function statusOf(address: string, key: string): Promise<number> {
  return (await request(address, { headers: { 'x-key': key } })).status;
}

/** What two replies to different paths have in common. */
function shapeOf({ status, headers, text }: Awaited<ReturnType<typeof request>>): object {
  const { date: _, etag: __, 'content-length': ___, ...rest } = headers;
  return { status, rest, text: text.replace(/ \/[^\s"<]*/g, ' <path>') };
}

function occupiedPort(): Promise<number> {
  return portOf(createServer());
}

async function portOf(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const port = await occupiedPort();
  await once(servers.pop()!.close(), 'close');
  return port;
}
