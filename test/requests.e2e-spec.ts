import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import {
  Agent,
  createServer,
  get,
  IncomingMessage,
  request as nodeRequest,
  type RequestListener,
  ServerResponse,
} from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  Inject,
  Injectable,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  NotFoundException,
  Param,
  Post,
  RequestMethod,
  Scope,
  StreamableFile,
  UseFilters,
  UseGuards,
  Version,
  VersioningType,
} from '@nestjs/common';
import { APP_GUARD, ApplicationConfig, ExternalContextCreator, NestFactory, REQUEST } from '@nestjs/core';
import { MessagePattern, Transport } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PprofModule } from '../src/index.js';
import { RequestsInFlight, type RequestUnderWay } from '../src/profiling/requests-in-flight.js';
import { ADAPTERS, adapterNamed, type AppSetup, closeApps, INSPECTOR, startApp } from './support/app.js';
import { request } from './support/http.js';

/** Holds whoever passes until it is opened, and tells who has come. */
class Gate {
  private readonly events = new EventEmitter();
  private came = 0;

  async pass(): Promise<string> {
    this.came++;
    this.events.emit('came');
    await once(this.events, 'open');
    return 'passed';
  }

  async reached(times = 1): Promise<void> {
    while (this.came < times) await once(this.events, 'came');
  }

  open(): void {
    this.events.emit('open');
  }
}

let gate: Gate;
beforeEach(() => {
  gate = new Gate();
});
afterEach(async () => {
  gate.open();
  await closeApps();
});

/** What a decorator of the application's puts in place of a method. */
function Traced(): MethodDecorator {
  return (_, __, descriptor: PropertyDescriptor) => {
    const original = descriptor.value as (...args: unknown[]) => unknown;
    const traced = function (this: unknown, ...args: unknown[]): unknown {
      return original.apply(this, args);
    };
    for (const key of Reflect.getMetadataKeys(original) as unknown[]) {
      Reflect.defineMetadata(key, Reflect.getMetadata(key, original), traced);
    }
    descriptor.value = traced;
  };
}

@Catch(RangeError)
class SlowFilter implements ExceptionFilter {
  async catch(error: Error, host: ArgumentsHost): Promise<void> {
    const reply = host.switchToHttp().getResponse<{ status(code: number): { send(body: string): void } }>();
    await gate.pass();
    reply.status(418).send(error.message);
  }
}

const REFUSES: CanActivate = { canActivate: () => false };
const HOLDS: CanActivate = { canActivate: () => gate.pass().then(() => true) };

/** More than the buffers of a connection hold. */
const LARGE = 'x'.repeat(32_000_000);

@Controller('cats')
class CatsController {
  @Get('all')
  all(): string {
    return 'cats';
  }

  @Get('large')
  large(): string {
    return LARGE;
  }

  @Get('stream')
  stream(): StreamableFile {
    return new StreamableFile(Readable.from(twoParts()));
  }

  @Get('fails')
  fails(): never {
    throw new Error('failed');
  }

  @Get('missing')
  async missing(): Promise<never> {
    await gate.pass();
    throw new NotFoundException('missing');
  }

  @Get('filtered')
  @UseFilters(SlowFilter)
  filtered(): never {
    throw new RangeError('filtered');
  }

  @Get('refused')
  @UseGuards(REFUSES)
  refused(): string {
    return 'never';
  }

  @Get('guarded')
  @UseGuards(HOLDS)
  guarded(): string {
    return 'guarded';
  }

  @Traced()
  @Get('traced')
  traced(): Promise<string> {
    return gate.pass();
  }

  @Post()
  add(): string {
    return 'added';
  }

  @Get(':id')
  findOne(@Param('id') id: string): Promise<string> {
    return gate.pass().then((passed) => `${id} ${passed}`);
  }
}

@Injectable({ scope: Scope.REQUEST })
class Visitor {
  constructor(@Inject(REQUEST) readonly request: { url: string }) {}
}

@Controller('scoped')
class ScopedController {
  constructor(private readonly visitor: Visitor) {}

  @Get()
  async read(): Promise<string> {
    await gate.pass();
    return this.visitor.request.url;
  }
}

class Animals {
  @Get(':id')
  find(): Promise<string> {
    return gate.pass();
  }
}
@Controller('dogs')
class DogsController extends Animals {}
@Controller('birds')
class BirdsController extends Animals {}

@Controller({ path: 'old', version: '1' })
class VersionedController {
  @Get(':id')
  first(): Promise<string> {
    return gate.pass();
  }

  @Version('2')
  @Get(':id')
  second(): Promise<string> {
    return gate.pass();
  }
}

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => unknown;

const CONTROLLERS = [CatsController, ScopedController, DogsController, BirdsController];

function requestsOf(app: INestApplication): RequestsInFlight {
  return app.get(RequestsInFlight, { strict: false });
}

/** All requests from now on, also after their end. */
function watch(requests: RequestsInFlight): RequestUnderWay[] {
  const begun: RequestUnderWay[] = [];
  observe(requests, (request) => begun.push(request));
  return begun;
}

const observed: (() => void)[] = [];
afterEach(() => {
  for (const stop of observed.splice(0)) stop();
});

/** Is told of requests until the test ends, or the returned function is called. */
function observe(requests: RequestsInFlight, began: (request: RequestUnderWay) => void): () => void {
  const stop = requests.observe({ began });
  observed.push(stop);
  return stop;
}

/** A response closes some turns of the loop after the client has it. */
async function until(condition: () => boolean): Promise<void> {
  const limit = performance.now() + 10_000;
  while (!condition()) {
    assert(performance.now() < limit, `not so after 10 s: ${condition}`);
    await setImmediate();
  }
}

async function* twoParts(): AsyncGenerator<Buffer> {
  yield Buffer.from('first ');
  yield Buffer.from(await gate.pass());
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await once(probe.close(), 'close');
  return port;
}

/** One that hands its requests to the adapter's router, as Fastify does for each further address of `localhost`. */
async function serverBeside(app: INestApplication): Promise<{ url: string; close(): Promise<unknown> }> {
  const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
  const server = createServer(instance.routing ?? instance).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => once(server.close(), 'close') };
}

function requestListeners(app: INestApplication): number {
  return (app.getHttpServer() as Server).listenerCount('request');
}

function shown({ method, route, handler, phase, clientGone }: RequestUnderWay): unknown[] {
  return [method, route, handler && `${handler.className}.${handler.method}`, phase, clientGone];
}

function textOf(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
}

describe.each(ADAPTERS)('requests under way, on %s', (adapter) => {
  const start = async (setup: AppSetup = {}) => {
    const started = await startApp(adapter, { controllers: CONTROLLERS, providers: [Visitor], ...setup });
    return { ...started, requests: requestsOf(started.app) };
  };

  const startWith = (middleware: Middleware) => {
    @Module({})
    class MiddlewareModule {
      configure(consumer: MiddlewareConsumer): void {
        consumer.apply(middleware).forRoutes({ path: '*path', method: RequestMethod.ALL });
      }
    }
    return start({ imports: [MiddlewareModule] });
  };

  /** Routes and controllers of requests at a module's own paths. */
  const ownRequests = async (setup: AppSetup, base: (url: string) => string) => {
    const { url, requests, close } = await start(setup);
    const begun = watch(requests);
    for (const name of ['cmdline', 'nope']) await request(`${base(url)}/${name}`);
    await until(() => requests.list().length === 0);
    await close();
    return begun.map(({ route, handler }) => [route, handler?.className]);
  };

  /** Of the response that its handler is about to give. */
  const closeListeners = async (pprof: AppSetup['pprof'], count: number): Promise<number> => {
    const { app, url } = await startApp(adapter, { controllers: CONTROLLERS, providers: [Visitor], pprof });
    const responses: ServerResponse[] = [];
    (app.getHttpServer() as Server).on('request', (_, response: ServerResponse) => responses.push(response));
    const answer = request(`${url}/cats/7`);
    await gate.reached(count);
    gate.open();
    const counts = responses.map((response) => response.listenerCount('close'));
    await answer;
    expect(counts).toHaveLength(1);
    return counts[0]!;
  };

  it('one is listed until it is answered', async () => {
    const { url, requests } = await start();
    const begin = performance.now();
    const answer = request(`${url}/cats/7?secret=1`);
    await gate.reached();
    const [underWay, ...others] = requests.list();
    expect(others).toEqual([]);
    expect(shown(underWay!)).toEqual(['GET', '/cats/:id', 'CatsController.findOne', 'handling', false]);
    expect(underWay!.handler!.fn).toBe(CatsController.prototype.findOne);
    expect(underWay!.startedMs).toBeGreaterThanOrEqual(begin);
    expect(underWay!.startedMs).toBeLessThanOrEqual(performance.now());
    gate.open();
    expect(await answer).toMatchObject({ status: 200, text: '7 passed' });
    await until(() => requests.list().length === 0);
    expect(shown(underWay!)).toEqual(['GET', '/cats/:id', 'CatsController.findOne', 'ended', false]);
  });

  it('the oldest is first', async () => {
    const { url, requests } = await start();
    const answers = [];
    for (const [i, path] of ['cats/7', 'scoped', 'dogs/1'].entries()) {
      answers.push(request(`${url}/${path}`));
      await gate.reached(i + 1);
    }
    expect(requests.list().map(({ route }) => route)).toEqual(['/cats/:id', '/scoped', '/dogs/:id']);
    const starts = requests.list().map(({ startedMs }) => startedMs);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    gate.open();
    await Promise.all(answers);
    await until(() => requests.list().length === 0);
  });

  it.each([
    ['scoped', '/scoped', 'ScopedController.read', '/scoped'],
    ['dogs/1', '/dogs/:id', 'DogsController.find', 'passed'],
    ['birds/1', '/birds/:id', 'BirdsController.find', 'passed'],
    ['cats/traced', '/cats/traced', 'CatsController.traced', 'passed'],
    ['cats/guarded', '/cats/guarded', 'CatsController.guarded', 'guarded'],
  ])('%s has its handler', async (path, route, handler, text) => {
    const { url, requests } = await start();
    const answer = request(`${url}/${path}`);
    await gate.reached();
    expect(requests.list().map(shown)).toEqual([['GET', route, handler, 'handling', false]]);
    gate.open();
    expect((await answer).text).toBe(text);
  });

  it.each([
    ['APP_GUARD', { providers: [Visitor, { provide: APP_GUARD, useValue: HOLDS }] }],
    ['useGlobalGuards', { configure: (app: INestApplication) => app.useGlobalGuards(HOLDS) }],
  ])('one that waits for a guard of %s has its handler', async (_, setup) => {
    const { url, requests } = await start(setup);
    const answer = request(`${url}/cats/all`);
    await gate.reached();
    expect(requests.list().map(shown)).toEqual([
      ['GET', '/cats/all', 'CatsController.all', 'handling', false],
    ]);
    gate.open();
    expect((await answer).text).toBe('cats');
  });

  it.each([
    ['cats/fails', 500, 'CatsController.fails', false],
    ['cats/refused', 403, 'CatsController.refused', false],
    ['cats/missing', 404, 'CatsController.missing', true],
    ['cats/filtered', 418, 'CatsController.filtered', true],
  ])('%s, which fails, ends', async (path, status, handler, waits) => {
    const listed: unknown[] = [];
    const { url, requests } = await start();
    const begun = watch(requests);
    const answer = request(`${url}/${path}`);
    if (waits) {
      await gate.reached();
      listed.push(...requests.list().map(shown));
      gate.open();
    }
    expect((await answer).status).toBe(status);
    expect(listed).toEqual(waits ? [['GET', `/${path}`, handler, 'handling', false]] : []);
    await until(() => requests.list().length === 0);
    expect(begun.map(shown)).toEqual([['GET', `/${path}`, handler, 'ended', false]]);
  });

  it('one that is refused by the first guard of the application ends, as refused', async () => {
    const { url, requests } = await start({ configure: (app) => app.useGlobalGuards(REFUSES) });
    const begun = watch(requests);
    expect(await request(`${url}/cats/all`)).toMatchObject({ status: 403 });
    await until(() => requests.list().length === 0);
    expect(begun.map(shown)).toEqual([['GET', '/cats/all', 'CatsController.all', 'ended', false]]);
  });

  it('one that streams is answering', async () => {
    const { url, requests } = await start();
    const [answer] = (await once(get(`${url}/cats/stream`), 'response')) as [IncomingMessage];
    await gate.reached();
    expect(requests.list().map(shown)).toEqual([
      ['GET', '/cats/stream', 'CatsController.stream', 'answering', false],
    ]);
    gate.open();
    expect(Buffer.concat(await answer.toArray()).toString()).toBe('first passed');
    await until(() => requests.list().length === 0);
  });

  it('one whose client takes its time is sending', async () => {
    const { url, requests } = await start();
    const [answer] = (await once(get(`${url}/cats/large`), 'response')) as [IncomingMessage];
    await until(() => requests.list()[0]?.phase === 'sending');
    answer.resume();
    await once(answer, 'end');
    await until(() => requests.list().length === 0);
  });

  it('one whose body is not there yet is received', async () => {
    const { url, requests } = await start();
    const outgoing = nodeRequest(`${url}/cats`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': '9' },
    });
    outgoing.write('{"a"');
    await until(() => requests.list().length === 1);
    expect(shown(requests.list()[0]!)).toEqual(['POST', undefined, undefined, 'receiving', false]);
    outgoing.end(':"b"}');
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(201);
    await until(() => requests.list().length === 0);
  });

  it.each(['cats/7', 'cats/stream', 'cats/large'])('%s ends when its client leaves', async (path) => {
    const { url, requests } = await start();
    const begun = watch(requests);
    const outgoing = get(`${url}/${path}`).on('error', () => {});
    if (path === 'cats/large') await until(() => begun[0]?.phase === 'sending');
    else await gate.reached();
    outgoing.destroy();
    await until(() => requests.list().length === 0);
    expect(begun.map(({ phase, route, clientGone }) => [phase, route, clientGone])).toEqual([
      ['ended', path === 'cats/7' ? '/cats/:id' : `/${path}`, true],
    ]);
  });

  it('one connection has several, one after the other', async () => {
    const { url, requests } = await start();
    const begun = watch(requests);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const path of ['all', 'refused', 'all']) {
      const [answer] = (await once(get(`${url}/cats/${path}`, { agent }), 'response')) as [IncomingMessage];
      answer.resume();
      await once(answer, 'end');
      await until(() => requests.list().length === 0);
    }
    agent.destroy();
    expect(begun.map(({ route, clientGone }) => [route, clientGone])).toEqual([
      ['/cats/all', false],
      ['/cats/refused', false],
      ['/cats/all', false],
    ]);
  });

  describe('pipelining', () => {
    const MANY = 15; // more than Node finds usual for listeners
    const sendAll = (url: string): Socket => {
      const client = connect(Number(new URL(url).port), '127.0.0.1');
      client.write(textOf('/cats/7') + textOf('/cats/all').repeat(MANY - 1));
      return client;
    };

    it('all are under way until their turn has come, and none warns of too many listeners', async () => {
      const warnings: Error[] = [];
      const warned = (warning: Error): number => warnings.push(warning);
      process.on('warning', warned);
      const { url, requests } = await start();
      const begun = watch(requests);
      const client = sendAll(url);
      await until(() => requests.list().length === MANY);
      gate.open();
      await until(() => requests.list().length === 0);
      expect(begun.map(({ clientGone }) => clientGone)).toEqual(Array(MANY).fill(false));
      client.destroy();
      process.off('warning', warned);
      expect(warnings).toEqual([]);
    });

    it('all end when the client leaves', async () => {
      const { url, requests } = await start();
      const begun = watch(requests);
      const client = sendAll(url);
      await until(() => requests.list().length === MANY);
      client.destroy();
      await until(() => requests.list().length === 0);
      expect(begun.map(({ clientGone }) => clientGone)).toEqual(Array(MANY).fill(true));
    });
  });

  describe('middleware', () => {
    it('one that waits there is routing', async () => {
      const { url, requests } = await startWith(async (_, __, next) => {
        await gate.pass();
        next();
      });
      const answer = request(`${url}/cats/all`);
      await gate.reached();
      expect(requests.list().map(shown)).toEqual([['GET', undefined, undefined, 'routing', false]]);
      gate.open();
      expect((await answer).text).toBe('cats');
      await until(() => requests.list().length === 0);
    });

    it('one that it answers has no handler', async () => {
      const { url, requests } = await startWith((_, response) => response.end('middleware'));
      const begun = watch(requests);
      expect((await request(`${url}/cats/all`)).text).toBe('middleware');
      await until(() => requests.list().length === 0);
      expect(begun.map(shown)).toEqual([['GET', undefined, undefined, 'ended', false]]);
    });

    it('one whose client leaves before the handler is called does not come back', async () => {
      let last: ServerResponse | undefined;
      const { url, requests } = await startWith(async (_, response, next) => {
        last = response;
        await gate.pass();
        next();
      });
      const outgoing = get(`${url}/cats/guarded`).on('error', () => {});
      await gate.reached();
      outgoing.destroy();
      await until(() => requests.list().length === 0);
      gate.open();
      await gate.reached(2); // in the guard of the handler
      expect(last!.destroyed).toBe(true);
      expect(requests.list()).toEqual([]);
    });
  });

  it('one that nobody handles has no route', async () => {
    const { url, requests } = await start();
    const begun = watch(requests);
    expect((await request(`${url}/nowhere`)).status).toBe(404);
    await until(() => requests.list().length === 0);
    expect(begun.map(shown)).toEqual([['GET', undefined, undefined, 'ended', false]]);
  });

  it('prefix and version are part of the route', async () => {
    const { url, requests } = await start({
      controllers: [VersionedController],
      configure: (app) => app.setGlobalPrefix('api').enableVersioning({ type: VersioningType.URI }),
    });
    const answers = ['v1', 'v2'].map((version) => request(`${url}/api/${version}/old/1`));
    await gate.reached(2);
    expect(requests.list().map(({ route, handler }) => [route, handler!.method])).toEqual([
      ['/api/v1/old/:id', 'first'],
      ['/api/v2/old/:id', 'second'],
    ]);
    gate.open();
    await Promise.all(answers);
  });

  it('a version in a header finds its handler', async () => {
    const { url, requests } = await start({
      controllers: [VersionedController],
      configure: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'accept-version' }),
    });
    const answers = ['1', '2'].map((version) =>
      request(`${url}/old/1`, { headers: { 'accept-version': version } }),
    );
    await gate.reached(2);
    expect(requests.list().map(({ route, handler }) => [route, handler!.method])).toEqual([
      ['/old/:id', 'first'],
      ['/old/:id', 'second'],
    ]);
    gate.open();
    await Promise.all(answers);
  });

  describe('of the module itself', () => {
    it('have the controllers that they are for', async () => {
      expect(await ownRequests({}, (url) => `${url}/debug/pprof`)).toEqual([
        ['/debug/pprof/cmdline', 'CmdlineController'],
        ['/debug/pprof/_', 'FallbackController'],
      ]);
    });

    it('have the prefix of the application', async () => {
      const setup = { configure: (app: INestApplication) => app.setGlobalPrefix('api') };
      expect(await ownRequests(setup, (url) => `${url}/api/debug/pprof`)).toEqual([
        ['/api/debug/pprof/cmdline', 'CmdlineController'],
        ['/api/debug/pprof/_', 'FallbackController'],
      ]);
    });

    it('do not tell the route behind a port of their own', async () => {
      const port = await freePort();
      const base = `http://127.0.0.1:${port}/debug/pprof`;
      expect(await ownRequests({ pprof: { listen: { port } } }, () => base)).toEqual([
        ['/debug/pprof/cmdline', 'CmdlineController'],
        ['/debug/pprof/_', 'FallbackController'],
      ]);
    });
  });

  it('two modules in one application list each once, and tell both observers', async () => {
    const { app, url } = await start({
      imports: [PprofModule.forRoot({ ...INSPECTOR, path: 'debug/second' })],
    });
    const both = app.get(RequestsInFlight, { strict: false, each: true });
    expect(both).toHaveLength(2);
    const begun: RequestUnderWay[][] = [[], []];
    const [stop] = both.map((requests, i) => observe(requests, (one) => begun[i]!.push(one)));
    const answer = request(`${url}/cats/7`);
    await gate.reached();
    for (const requests of both) {
      expect(requests.list().map(({ handler }) => handler?.method)).toEqual(['findOne']);
    }
    stop!();
    await request(`${url}/cats/all`);
    expect(begun.map(({ length }) => length)).toEqual([1, 2]);
    gate.open();
    await answer;
  });

  it('two applications in one process list those of both', async () => {
    const first = await start();
    const second = await start({ pprof: { path: 'other' } });
    const answers = [request(`${first.url}/cats/7`), request(`${second.url}/cats/7`)];
    await gate.reached(2);
    expect([first, second].map(({ requests }) => requests.list().length)).toEqual([2, 2]);
    gate.open();
    await Promise.all(answers);
  });

  it('of one that began before, an observer is told the end', async () => {
    const { url, requests } = await start();
    const answer = request(`${url}/cats/7`);
    await gate.reached();
    const told: [event: string, RequestUnderWay][] = [];
    observed.push(
      requests.observe({
        began: (one) => told.push(['began', one]),
        routed: (one) => told.push(['routed', one]),
        ended: (one) => told.push(['ended', one]),
      }),
    );
    const [one] = requests.list();
    gate.open();
    await answer;
    await until(() => requests.list().length === 0);
    expect(told).toEqual([['ended', one]]);
    expect(shown(one!)).toEqual(['GET', '/cats/:id', 'CatsController.findOne', 'ended', false]);
  });

  it('while nobody asks, one costs its response no listener', async () => {
    const without = await closeListeners(false, 1);
    expect(await closeListeners({}, 2)).toBe(without);
  });

  it('what an observer enters is there in the handler', async () => {
    const current = new AsyncLocalStorage<RequestUnderWay>();
    const found: (RequestUnderWay | undefined)[] = [];
    @Controller()
    class HereController {
      @Get('here')
      here(): string {
        found.push(current.getStore());
        return 'here';
      }
    }
    const { url, requests } = await start({ controllers: [HereController] });
    const begun: RequestUnderWay[] = [];
    observe(requests, (one) => {
      begun.push(one);
      current.enterWith(one);
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) {
      const [answer] = (await once(get(`${url}/here`, { agent }), 'response')) as [IncomingMessage];
      answer.resume();
      await once(answer, 'end');
    }
    agent.destroy();
    expect(begun).toHaveLength(3);
    expect(found).toEqual(begun);
  });

  it('what an observer keeps does not keep the request', async () => {
    const kept: WeakRef<object>[] = [];
    const { app, url, requests } = await start();
    (app.getHttpServer() as Server).on('request', (...both: object[]) => {
      kept.push(...both.map((one) => new WeakRef(one)));
    });
    const begun = watch(requests);
    await request(`${url}/cats/all`);
    await until(() => requests.list().length === 0);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await until(() => {
      collect();
      return kept.every((ref) => ref.deref() === undefined);
    });
    expect(kept).toHaveLength(2);
    expect(begun.map(shown)).toEqual([['GET', '/cats/all', 'CatsController.all', 'ended', false]]);
  });

  describe('that come past the server', () => {
    it('are listed from their handler on', async () => {
      const { app, requests } = await start();
      const { url, close } = await serverBeside(app);
      const answer = request(`${url}/cats/7`);
      await gate.reached();
      expect(requests.list().map(shown)).toEqual([
        ['GET', '/cats/:id', 'CatsController.findOne', 'handling', false],
      ]);
      gate.open();
      expect((await answer).text).toBe('7 passed');
      await until(() => requests.list().length === 0);
      await close();
    });

    it('are not listed if their client has left by then', async () => {
      let last: ServerResponse | undefined;
      const { app, requests } = await startWith(async (_, response, next) => {
        last = response;
        await gate.pass();
        next();
      });
      const { url, close } = await serverBeside(app);
      const outgoing = get(`${url}/cats/guarded`).on('error', () => {});
      await gate.reached();
      outgoing.destroy();
      await until(() => last!.destroyed);
      gate.open();
      await gate.reached(2); // in the guard of the handler
      expect(requests.list()).toEqual([]);
      await close();
    });
  });

  it('contexts that are no request pass', async () => {
    const { app, requests } = await start();
    const begun = watch(requests);
    const target = { call: (...args: unknown[]) => args.length };
    const creator = app.get(ExternalContextCreator);
    for (const args of [[], [undefined], [1, 2], [null, {}], [{}, {}], [{ raw: 1 }, { raw: 2 }]]) {
      const called = creator.create(target, target.call, 'call') as (...args: unknown[]) => Promise<unknown>;
      expect(await called(...args)).toBe(args.length);
    }
    expect([requests.list(), begun]).toEqual([[], []]);
  });

  it('`enabled: false` lists nothing and listens to nothing', async () => {
    const off = await start({ pprof: { enabled: false } });
    const on = await start();
    expect(requestListeners(on.app) - requestListeners(off.app)).toBe(1);
    expect(off.app.get(ApplicationConfig).getGlobalGuards()).toEqual([]);
    const answer = request(`${off.url}/cats/7`);
    await gate.reached();
    expect(off.requests.list()).toEqual([]);
    gate.open();
    expect((await answer).text).toBe('7 passed');
  });

  it('thousands leave nothing', async () => {
    const { app, url, requests, close } = await start();
    const before = requestListeners(app);
    const BATCH = 100;
    const each = adapter === 'express' ? 200 : 800; // 10,000 in all; Express takes its time
    const connections = Array.from({ length: 10 }, () => connect(Number(new URL(url).port), '127.0.0.1'));
    await Promise.all(
      connections.map(async (connection) => {
        for (let sent = 0; sent < each; sent += BATCH) {
          connection.write(textOf('/cats/all').repeat(BATCH));
          for (let answers = 0; answers < BATCH;) {
            const [chunk] = (await once(connection, 'data')) as [Buffer];
            answers += chunk.toString().split('HTTP/1.1 ').length - 1;
          }
        }
        connection.destroy();
      }),
    );
    await until(() => requests.list().length === 0);
    expect(requestListeners(app)).toBe(before);
    await close();
    expect(requestListeners(app)).toBeLessThan(before);
  });
});

describe('requests under way', () => {
  it('are listed by HTTP/2 on Fastify', async () => {
    @Module({ imports: [PprofModule.forRoot(INSPECTOR)], controllers: [CatsController] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, new FastifyAdapter({ http2: true }), { logger: false });
    await app.listen(0, '127.0.0.1');
    const requests = requestsOf(app);
    const begun = watch(requests);
    const session: ClientHttp2Session = connectHttp2(await app.getUrl());
    const streams = ['/cats/7', '/cats/8', '/cats/all'].map((path) => session.request({ ':path': path }));
    await gate.reached(2);
    streams[0]!.on('error', () => {}).close(8); // CANCEL
    streams[2]!.resume();
    await until(() => requests.list().length === 1);
    expect(shown(requests.list()[0]!)).toEqual([
      'GET',
      '/cats/:id',
      'CatsController.findOne',
      'handling',
      false,
    ]);
    gate.open();
    expect(Buffer.concat(await streams[1]!.toArray()).toString()).toBe('8 passed');
    await until(() => requests.list().length === 0);
    expect(begun.map(({ clientGone }) => clientGone)).toEqual([true, false, false]);
    session.close();
    await app.close();
  });

  it.each(ADAPTERS)(
    'are not those without a connection, as of serverless adapters; on %s',
    async (adapter) => {
      const { app } = await startApp(adapter, { controllers: [CatsController] });
      const requests = requestsOf(app);
      const begun = watch(requests);
      const one = new IncomingMessage(new EventEmitter() as Socket);
      Object.assign(one, { method: 'GET', url: '/cats/all', headers: {} }).push(null);
      const answer = new ServerResponse(one);
      const written = new PassThrough({ encoding: 'utf8' });
      answer.assignSocket(written as unknown as Socket);
      (app.getHttpServer() as Server).emit('request', one, answer);
      await once(answer, 'finish');
      expect(written.read()).toMatch(/^HTTP\/1.1 200 OK\r\n.*\r\n\r\ncats$/s);
      expect([requests.list(), begun]).toEqual([[], []]);
    },
  );

  it.each(ADAPTERS)('are not messages, which pass the same guards; on %s', async (adapter) => {
    @Controller()
    class MessagesController {
      @MessagePattern('echo')
      echo(): string {
        return 'echoed';
      }
    }
    @Module({ imports: [PprofModule.forRoot(INSPECTOR)], controllers: [MessagesController] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, adapterNamed(adapter), { logger: false });
    const port = await freePort();
    const options = { transport: Transport.TCP as const, options: { host: '127.0.0.1', port } };
    app.connectMicroservice(options, { inheritAppConfig: true });
    await app.startAllMicroservices();
    const begun = watch(requestsOf(app));
    const message = JSON.stringify({ pattern: 'echo', data: {}, id: '1' });
    const client = connect(port, '127.0.0.1').setEncoding('utf8');
    client.write(`${message.length}#${message}`);
    const [answer] = (await once(client, 'data')) as [string];
    client.destroy();
    expect(answer).toContain('"response":"echoed"');
    expect(begun).toEqual([]);
    await app.close();
  });
});
