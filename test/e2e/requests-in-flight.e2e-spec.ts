import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ArgumentsHost,
  BadRequestException,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  type INestApplication,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  NotFoundException,
  Post,
  Req,
  Res,
  Scope,
  Sse,
  UseFilters,
  UseGuards,
  Version,
  VersioningType,
} from '@nestjs/common';
import { REQUEST, RouterModule } from '@nestjs/core';
import { FastifyAdapter, RouteConfig } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NEVER, type Observable, startWith } from 'rxjs';
import { PprofEndpoint, PprofModule, ProfilerService, type RequestInFlight } from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import { RequestsInFlight, type TrackedRequest } from '../../src/profiling/async/requests-in-flight.js';
import { ADAPTERS, type AppSetup, closeApps, startApp, type TestApp } from '../support/app.js';
import { until } from '../support/async.js';
import { request } from '../support/http.js';
import { MadeUpSampling } from '../support/made-up-sampling.js';

/** What handlers wait for: their requests are in flight until it is opened. */
let opened: Promise<string>;
let open: () => void;

/** What a test has started. */
const apps: INestApplication[] = [];
const servers: Server[] = [];
const sockets: Socket[] = [];
const sessions: ClientHttp2Session[] = [];
const clients: AbortController[] = [];
const replies: Promise<unknown>[] = [];
/** What went wrong at clients, for the message of a test that fails. */
const errors: string[] = [];
const noteError = (error: Error): unknown => errors.push(error.message);

beforeEach(() => {
  opened = new Promise((resolve) => (open = () => resolve('done')));
  errors.length = 0;
});

/** Whatever happened to requests, none is in flight when they are over. */
afterEach(async () => {
  open();
  for (const session of sessions.splice(0)) session.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(replies.splice(0));
  for (const app of apps.splice(0)) await expectInFlight(app, []);
  for (const server of servers.splice(0)) await once(server.close(), 'close');
  await closeApps();
});

@Controller('cats')
class CatsController {
  @Get()
  findAll(): Promise<string> {
    return opened;
  }

  @Get(':id')
  findOne(): Promise<string> {
    return opened;
  }

  @Post()
  create(): Promise<string> {
    return opened;
  }

  @Get('streams/:id')
  stream(@Res() reply: ServerResponse & { raw?: ServerResponse; hijack?(): void }): void {
    reply.hijack?.();
    const response = reply.raw ?? reply;
    response.write('a');
    void opened.then(() => response.end());
  }

  @Sse('events/:id')
  events(): Observable<{ data: string }> {
    return NEVER.pipe(startWith({ data: 'first' }));
  }
}

interface Reply {
  status(code: number): { send(body: string): void };
}

function replyTeapot(host: ArgumentsHost): void {
  host.switchToHttp().getResponse<Reply>().status(418).send('teapot');
}

@Catch()
class TeapotFilter implements ExceptionFilter {
  catch(_: unknown, host: ArgumentsHost): void {
    replyTeapot(host);
  }
}

@Catch(BadRequestException, NotFoundException)
class SlowFilter implements ExceptionFilter {
  async catch(_: unknown, host: ArgumentsHost): Promise<void> {
    await opened;
    replyTeapot(host);
  }
}

@Controller('failing')
class FailingController {
  @Get('throws')
  throws(): void {
    throw new BadRequestException();
  }

  @Get('rejects')
  rejects(): Promise<void> {
    return Promise.reject(new Error('on purpose'));
  }

  @Get('filtered')
  @UseFilters(TeapotFilter)
  filtered(): void {
    throw new Error('on purpose');
  }

  @Get('refused')
  @UseGuards({ canActivate: () => false })
  refused(): void {}

  @Get('guarded')
  @UseGuards({ canActivate: async () => Boolean(await opened) })
  guarded(): void {}
}

let entered: ((response: ServerResponse) => void) | undefined;

async function slowMiddleware(_: unknown, response: ServerResponse, next: () => void): Promise<void> {
  entered?.(response);
  await opened;
  next();
}

@Module({ controllers: [CatsController] })
class SlowMiddlewareModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(slowMiddleware).forRoutes('*path');
  }
}

@Controller({ path: 'scoped', scope: Scope.REQUEST })
class ScopedController {
  constructor(@Inject(REQUEST) readonly request: object) {}

  @Get(':id')
  findOne(): Promise<string> {
    return opened;
  }
}

abstract class CrudController {
  @Get('inherited/:id')
  inherited(): Promise<string> {
    return opened;
  }
}

@Controller('dogs')
class DogsController extends CrudController {}

@Controller('birds')
class BirdsController extends CrudController {}

@Controller({ path: 'versioned', version: '1' })
class FirstController {
  @Get(':id')
  findOne(): Promise<string> {
    return opened;
  }

  @Version('2')
  @Get(':id')
  findTwo(): Promise<string> {
    return opened;
  }
}

@Controller({ path: 'versioned', version: ['3', '4'] })
class SecondController {
  @Get(':id')
  findOne(): Promise<string> {
    return opened;
  }
}

@Module({ controllers: [CatsController] })
class CatsModule {}

interface Mapping {
  readonly name: string;
  readonly setup: AppSetup;
  /** Path, headers, and the line of it. */
  readonly requests: readonly [string, Record<string, string>, string][];
}

const VERSIONS = { controllers: [FirstController, SecondController] };

const MAPPINGS: readonly Mapping[] = [
  {
    name: 'a global prefix and the path of a module, each with a parameter',
    setup: {
      imports: [CatsModule, RouterModule.register([{ path: 'zoos/:zoo', module: CatsModule }])],
      configure: (app) => app.setGlobalPrefix('api/:tenant'),
    },
    requests: [
      ['/api/a/zoos/7/cats/3', {}, 'GET /api/:tenant/zoos/:zoo/cats/:id CatsController.findOne handling'],
    ],
  },
  {
    name: 'versions in the path',
    setup: { ...VERSIONS, configure: (app) => app.enableVersioning({ type: VersioningType.URI }) },
    requests: [
      ['/v1/versioned/7', {}, 'GET /v1/versioned/:id FirstController.findOne handling'],
      ['/v2/versioned/7', {}, 'GET /v2/versioned/:id FirstController.findTwo handling'],
      ['/v4/versioned/7', {}, 'GET /v4/versioned/:id SecondController.findOne handling'],
    ],
  },
  {
    name: 'versions in a header',
    setup: {
      ...VERSIONS,
      configure: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
    },
    requests: [
      ['/versioned/7', { 'x-version': '1' }, 'GET /versioned/:id FirstController.findOne handling'],
      ['/versioned/7', { 'x-version': '2' }, 'GET /versioned/:id FirstController.findTwo handling'],
      ['/versioned/7', { 'x-version': '4' }, 'GET /versioned/:id SecondController.findOne handling'],
    ],
  },
];

@PprofEndpoint({ name: 'slow', description: 'Waits.' })
class SlowEndpoint {
  @Get()
  read(): Promise<string> {
    return opened;
  }
}

@Controller('gated')
class GatedController {
  static entered: () => void;

  @Get()
  read(): Promise<string> {
    GatedController.entered();
    return opened;
  }
}

const CONFIG = { limit: 5 };

@Controller('configured')
class ConfiguredController {
  @RouteConfig(CONFIG)
  @Get()
  configured(@Req() request: { routeOptions?: { config: object } }): object {
    return { ...request.routeOptions?.config };
  }

  @Get('plain')
  plain(): void {}
}

async function start(...[adapter, setup]: Parameters<typeof startApp>): Promise<TestApp> {
  const started = await startApp(adapter, { controllers: [CatsController], ...setup });
  apps.push(started.app);
  return started;
}

/** Sends a request that nobody waits for. */
function send(url: string, headers?: Record<string, string>): void {
  const client = new AbortController();
  clients.push(client);
  replies.push(request(url, { headers, signal: client.signal }).catch(noteError));
}

/** All that have sent a request go away. */
function leave(): void {
  for (const client of clients.splice(0)) client.abort();
}

function lineOf({ method, route, handler, state, own }: RequestInFlight): string {
  return `${method} ${route} ${handler} ${state}${own ? ' own' : ''}`;
}

function inFlight(app: INestApplication): RequestInFlight[] {
  return app.get(ProfilerService).requestsInFlight();
}

/** Waits until exactly these are in flight. */
async function expectInFlight(app: INestApplication, lines: readonly string[]): Promise<void> {
  const expected = lines.toSorted().join('\n');
  const read = async (): Promise<string> => {
    await nextTurn();
    return inFlight(app).map(lineOf).toSorted().join('\n');
  };
  await until(read, (found) => (found === expected ? [] : [{ expected, found, errors }]));
}

/** A connection on which bytes are sent as they are. */
function connectTo({ url }: TestApp): Socket {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', noteError);
  sockets.push(socket);
  return socket;
}

function routerOf(app: INestApplication): RequestListener {
  const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
  return instance.routing ?? instance;
}

/** A server of its own that hands requests to the adapter's router. */
async function startBypass(app: INestApplication): Promise<string> {
  const server = createServer(routerOf(app)).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A request as serverless adapters make it: there is no connection, and nothing closes its response. */
function handOver(app: INestApplication, url: string): ServerResponse {
  const incoming = new IncomingMessage(new Socket());
  Object.assign(incoming, { method: 'GET', url, headers: { host: 'localhost' }, complete: true });
  incoming.push(null);
  const response = new ServerResponse(incoming);
  response.assignSocket(new PassThrough() as never);
  routerOf(app)(incoming, response as never);
  return response;
}

const head = (method: string, path: string, ...headers: string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'host: localhost', ...headers, '', ''].join('\r\n');

describe.each(ADAPTERS)('requests in flight on %s', (adapter) => {
  it('are listed with method, route, handler, age and state, the oldest first', async () => {
    const { app, url } = await start(adapter);
    const paths = ['/cats', '/cats/7?secret=1', '/cats/streams/9', '/cats/events/3'];
    const lines = [
      'GET /cats CatsController.findAll handling',
      'GET /cats/:id CatsController.findOne handling',
      'GET /cats/streams/:id CatsController.stream replying',
      'GET /cats/events/:id CatsController.events replying',
    ];
    for (const [i, path] of paths.entries()) {
      send(`${url}${path}`);
      await expectInFlight(app, lines.slice(0, i + 1));
    }
    const requests = inFlight(app);
    expect(requests.map(lineOf)).toEqual(lines);
    expect(requests.map(({ id }) => id)).toEqual([3, 7, 11, 15]);
    const ages = requests.map(({ ageMs }) => ageMs);
    expect(ages).toEqual(ages.toSorted((a, b) => b - a));
    open();
    await expectInFlight(app, lines.slice(3)); // the stream of events goes on
    leave();
  });

  it('end when they fail, are refused, or no route matches', async () => {
    const { app, url } = await start(adapter, { controllers: [FailingController] });
    const statuses = { throws: 400, rejects: 500, filtered: 418, refused: 403, nowhere: 404 };
    for (const [path, status] of Object.entries(statuses))
      expect([path, (await request(`${url}/failing/${path}`)).status]).toEqual([path, status]);
    await expectInFlight(app, []);
  });

  it('have their route in a guard and in an exception filter, and none in a filter for what no route matches', async () => {
    const { app, url } = await start(adapter, {
      controllers: [FailingController],
      configure: (app) => app.setGlobalPrefix('api').useGlobalFilters(new SlowFilter()),
    });
    for (const path of ['guarded', 'throws', 'nowhere']) send(`${url}/api/failing/${path}?a=1`);
    await expectInFlight(app, [
      'GET /api/failing/guarded FailingController.guarded handling',
      'GET /api/failing/throws FailingController.throws handling',
      'GET undefined undefined handling',
    ]);
  });

  it('have no route in middleware', async () => {
    const { app, url } = await start(adapter, { controllers: [], imports: [SlowMiddlewareModule] });
    send(`${url}/cats/7`);
    await expectInFlight(app, ['GET undefined undefined handling']);
  });

  it('end when the client leaves', async () => {
    const { app, url } = await start(adapter);
    for (let i = 0; i < 100; i++) send(`${url}/cats/${i}`);
    await expectInFlight(
      app,
      Array.from({ length: 100 }, () => 'GET /cats/:id CatsController.findOne handling'),
    );
    leave();
    await expectInFlight(app, []);
  });

  it('are receiving until the body is complete', async () => {
    const { app, ...started } = await start(adapter);
    const socket = connectTo({ app, ...started });
    socket.write(head('POST', '/cats', 'content-type: application/json', 'content-length: 7'));
    socket.write('{"a"');
    // Express's parser reads the body before there is a route.
    const route = adapter === 'express' ? 'undefined undefined' : '/cats CatsController.create';
    await expectInFlight(app, [`POST ${route} receiving`]);
    socket.write(':1}');
    await expectInFlight(app, ['POST /cats CatsController.create handling']);
    open();
    await expectInFlight(app, []);
    socket.write(head('POST', '/cats', 'content-type: application/json', 'content-length: 7'));
    await expectInFlight(app, [`POST ${route} receiving`]);
    socket.destroy();
    await expectInFlight(app, []);
  });

  it('come and go on one connection', async () => {
    const { app, url } = await start(adapter);
    open();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const used = new Set<unknown>();
    for (let i = 0; i < 50; i++) {
      const outgoing = get(`${url}/cats/${i}`, { agent });
      const [response] = await once(outgoing, 'response');
      used.add(outgoing.socket);
      await once(response.resume(), 'end');
      await expectInFlight(app, []);
    }
    expect(used.size).toBe(1);
    agent.destroy();
  });

  it('are there before their turn to reply, and end with the connection', async () => {
    const { app, ...started } = await start(adapter);
    const connected = once(app.getHttpServer() as Server, 'connection') as Promise<[Socket]>;
    const socket = connectTo({ app, ...started });
    const paths = Array.from({ length: 20 }, (_, i) => `/cats/${i}`);
    const lines = paths.map(() => 'GET /cats/:id CatsController.findOne handling');
    socket.write(paths.map((path) => head('GET', path)).join(''));
    await expectInFlight(app, lines);
    const [served] = await connected;
    expect(served.listenerCount('close')).toBeLessThan(EventEmitter.defaultMaxListeners);
    open();
    await expectInFlight(app, []);
    opened = new Promise((resolve) => (open = () => resolve('done')));
    socket.write(paths.map((path) => head('GET', path)).join(''));
    await expectInFlight(app, lines);
    socket.destroy();
    await expectInFlight(app, []);
  });

  it('have the names of request-scoped controllers, and of methods that several controllers inherit', async () => {
    const { app, url } = await start(adapter, {
      controllers: [ScopedController, DogsController, BirdsController],
    });
    for (const path of ['/scoped/1', '/dogs/inherited/1', '/birds/inherited/1']) send(url + path);
    const handler = expect.stringMatching(/^(Dogs|Crud)Controller\.inherited$/); // Nest 11 does not tell which
    await until(
      async () => (await nextTurn(), inFlight(app).filter(({ handler }) => handler)),
      ({ length }) => (length === 3 ? [] : [length]),
    );
    expect(inFlight(app)).toMatchObject([
      { route: '/scoped/:id', handler: 'ScopedController.findOne' },
      { route: '/dogs/inherited/:id', handler },
      {
        route: '/birds/inherited/:id',
        handler: expect.stringMatching(/^(Birds|Crud)Controller\.inherited$/),
      },
    ]);
  });

  it.each(MAPPINGS)('have the whole pattern of their route with $name', async ({ setup, requests }) => {
    const { app, url } = await start(adapter, { controllers: [], ...setup });
    for (const [path, headers] of requests) send(url + path, headers);
    await expectInFlight(
      app,
      requests.map(([, , line]) => line),
    );
  });

  it('are listed once with two modules, which list the same', async () => {
    const { app, url } = await start(adapter, { imports: [PprofModule.forRoot({ path: 'second' })] });
    send(`${url}/cats/7`);
    await expectInFlight(app, ['GET /cats/:id CatsController.findOne handling']);
    const services = app.get<ProfilerService[]>(ProfilerService, { each: true } as never);
    expect(services.map((service) => service.requestsInFlight().map(({ id }) => id))).toEqual([[3], [3]]);
  });

  it('are marked if they are at an endpoint of the library', async () => {
    const { app, base, sampling } = await start(adapter, {
      imports: [PprofModule.forRoot({ path: 'second' })],
      controllers: [SlowEndpoint],
      configure: (app) => app.setGlobalPrefix('api'),
    });
    const own = base.replace('/debug', '/api/debug');
    const begun = sampling.begun();
    send(`${own}/profile?seconds=30`);
    await begun;
    for (const path of [`${own}/slow`, own.replace('debug/pprof', 'second/slow')]) send(path);
    await expectInFlight(app, [
      'GET /api/debug/pprof/profile ProfileEndpoint.serve handling own',
      'GET /api/debug/pprof/slow SlowEndpoint.read handling own',
      'GET /api/second/slow SlowEndpoint.read handling own',
    ]);
    leave();
  });

  it('are marked on a port of their own, too', async () => {
    const lines: string[] = [];
    const log = (message: unknown): void => void lines.push(String(message));
    const { app, sampling } = await start(adapter, {
      pprof: { listen: { port: 0 } },
      options: { logger: { log, warn: log, error: log } },
    });
    const base = /http:\S+(?=\/)/.exec(lines.find((line) => line.startsWith('Serving http:'))!)![0];
    const begun = sampling.begun();
    send(`${base}/profile?seconds=30`);
    await begun;
    await expectInFlight(app, ['GET /debug/pprof/profile ProfileEndpoint.serve handling own']);
    leave();
  });

  it('are tracked also if they do not come through the HTTP server', async () => {
    const { app } = await start(adapter);
    const url = await startBypass(app);
    for (const path of ['/cats', '/cats/7', '/cats/streams/2']) send(url + path);
    await expectInFlight(app, [
      'GET /cats CatsController.findAll handling',
      'GET /cats/:id CatsController.findOne handling',
      'GET /cats/streams/:id CatsController.stream replying',
    ]);
    leave();
    await expectInFlight(app, []);
    const response = handOver(app, '/cats/8');
    await expectInFlight(app, ['GET /cats/:id CatsController.findOne handling']);
    open();
    await once(response, 'finish');
    await expectInFlight(app, []);
    expect(response.closed).toBe(false);
  });

  it.each([false, true])(
    'do not begin when the client has left in middleware, past the HTTP server: %s',
    async (isBypassed) => {
      const { app, ...started } = await start(adapter, { controllers: [], imports: [SlowMiddlewareModule] });
      const url = isBypassed ? await startBypass(app) : started.url;
      const inMiddleware = new Promise<ServerResponse>((resolve) => (entered = resolve));
      send(`${url}/cats/7`);
      const response = await inMiddleware;
      leave();
      await once(response, 'close');
      await expectInFlight(app, []);
      open();
      expect((await request(`${url}/cats`)).status).toBe(200);
      await expectInFlight(app, []);
    },
  );

  it('are not what is upgraded', async () => {
    const { app, ...started } = await start(adapter);
    const server = app.getHttpServer() as Server;
    server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
    const socket = connectTo({ app, ...started });
    socket.write(head('GET', '/cats', 'connection: upgrade', 'upgrade: chat'));
    await once(socket, 'data');
    expect(inFlight(app)).toEqual([]);
  });

  it('are announced before the application sees them, and forgotten when they have ended', async () => {
    const storage = new AsyncLocalStorage<TrackedRequest>();
    const seen: unknown[] = [];
    const { app, url } = await start(adapter, {
      configure: (app) =>
        app.use((_: unknown, __: unknown, next: () => void) => {
          seen.push(storage.getStore());
          next();
        }),
    });
    const table = app.get(RequestsInFlight);
    const begun: TrackedRequest[] = [];
    const stop = table.listen({
      begin(tracked) {
        begun.push(tracked);
        storage.enterWith(tracked);
      },
    });
    open();
    for (const path of ['/cats', '/cats/7']) await request(url + path);
    await expectInFlight(app, []);
    stop();
    expect(begun).toHaveLength(2);
    expect(seen).toEqual(begun);
    expect(begun.map((tracked) => tracked.snapshot())).toMatchObject([
      { route: '/cats', handler: 'CatsController.findAll', status: 200 },
      { route: '/cats/:id', handler: 'CatsController.findOne', status: 200 },
    ]);
    const kept = begun.flatMap((tracked) =>
      Object.values(tracked).filter((value) => value instanceof Object),
    );
    expect(kept.filter((value) => !(value instanceof RequestsInFlight))).toMatchObject([
      { method: 'GET', route: '/cats' }, // the last description
      { method: 'GET', route: '/cats/:id' },
    ]);
  });

  it('are none with enabled: false', async () => {
    const { app, url } = await start(adapter, { pprof: { enabled: false }, controllers: [GatedController] });
    const entered = new Promise<void>((resolve) => (GatedController.entered = resolve));
    send(`${url}/gated`);
    await entered;
    expect(inFlight(app)).toEqual([]);
  });

  it('leave no metadata on the methods of controllers', async () => {
    await start(adapter, { controllers: [ConfiguredController] });
    const { configured, plain } = ConfiguredController.prototype;
    expect(Reflect.getMetadata('__fastify_route_config__', configured)).toBe(CONFIG);
    expect(Reflect.getMetadata('__fastify_route_config__', plain)).toBeUndefined();
  });
});

it('an application mounted below another one lists a request with the path of both, and so does each of them once', async () => {
  const inner = await start('express');
  const outer = await start('express', {
    controllers: [],
    configure: (app) => app.use('/inner', inner.app.getHttpAdapter().getInstance()),
  });
  send(`${outer.url}/inner/cats/7`);
  await expectInFlight(inner.app, ['GET /inner/cats/:id CatsController.findOne handling']);
  expect(inFlight(outer.app)).toHaveLength(1);
});

it('routes on Fastify have the configuration that the application gives them', async () => {
  const { url } = await start('fastify', { controllers: [ConfiguredController] });
  const { text } = await request(`${url}/configured`);
  expect(JSON.parse(text)).toEqual({ method: 'GET', url: '/configured', ...CONFIG });
});

it('requests at the port of an application without HTTP are in flight', async () => {
  const lines: string[] = [];
  const log = (message: unknown): void => void lines.push(String(message));
  const sampling = new MadeUpSampling();
  const module = await Test.createTestingModule({
    imports: [PprofModule.forRoot({ listen: { port: 0 }, sourceMaps: false })],
  })
    .overrideProvider(PPROF_SAMPLING)
    .useValue(sampling)
    .setLogger({ log, warn: log, error: log })
    .compile();
  await module.init();
  const base = /http:\S+(?=\/)/.exec(lines.find((line) => line.startsWith('Serving http:'))!)![0];
  const begun = sampling.begun();
  send(`${base}/profile?seconds=30`);
  await begun;
  await expectInFlight(module as never, ['GET /debug/pprof/profile undefined handling own']);
  leave();
  await expectInFlight(module as never, []);
  await module.close();
});

describe('requests by HTTP/2', () => {
  it('are in flight until their stream ends', async () => {
    const { app, url } = await start('fastify', { httpAdapter: new FastifyAdapter({ http2: true }) });
    const session = connectHttp2(url).on('error', () => {});
    sessions.push(session);
    const streams = ['/cats', '/cats/7', '/cats/events/1'].map((path) => session.request({ ':path': path }));
    const upload = session.request({
      ':path': '/cats',
      ':method': 'POST',
      'content-type': 'application/json',
    });
    for (const stream of [...streams, upload]) stream.on('error', () => {}).resume();
    upload.write('{"a"');
    const lines = [
      'GET /cats CatsController.findAll handling',
      'GET /cats/:id CatsController.findOne handling',
      'GET /cats/events/:id CatsController.events replying',
    ];
    await expectInFlight(app, [...lines, 'POST /cats CatsController.create receiving']);
    upload.end(':1}');
    await expectInFlight(app, [...lines, 'POST /cats CatsController.create handling']);
    streams[0]!.close();
    await expectInFlight(app, [...lines.slice(1), 'POST /cats CatsController.create handling']);
    session.destroy();
    await expectInFlight(app, []);
  });
});
