import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Module,
  Post,
  UnauthorizedException,
  VersioningType,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PprofEndpoint, PprofModule, type PprofModuleOptions, ProfilerService } from '../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, INSPECTOR, startApp, type TestApp } from './support/app.js';
import { broken, SHORT } from './support/contract.js';
import { type Answer, request, type RequestOptions } from './support/http.js';
import { KeptLog } from './support/log.js';
import { DecodedProfile } from './support/process.js';
import { Watch } from './support/watch.js';

let called: string[] = [];

@Controller('cats')
class CatsController {
  @Get()
  all(): string {
    called.push('cats');
    return 'cats';
  }

  @Post()
  add(): string {
    called.push('cats');
    return 'added';
  }
}

@PprofEndpoint({ name: 'uptime', description: 'Seconds since the start.', methods: ['GET', 'POST'] })
class UptimeController {
  @Get()
  read(): string {
    return 'up\n';
  }

  @Post()
  reset(): string {
    return 'reset\n';
  }
}

/** Lets one key through. */
class Opens implements CanActivate {
  constructor(private readonly key: string) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<IncomingMessage>();
    if (headers['x-key'] !== this.key) throw new UnauthorizedException();
    return true;
  }
}

interface Listening extends TestApp {
  /** Addresses of the endpoints on ports of their own, without a slash at the end. */
  readonly own: readonly string[];
  /** What the application has logged. */
  readonly lines: readonly string[];
}

const UNKNOWN = { status: 404, text: 'Unknown profile\n' };
const CLOSED = { status: 401, text: 'Unauthorized\n' };

/** How an application shapes its paths, and where our endpoints would be without a port of their own. */
const SHAPES: Record<string, AppSetup & { prefix?: string }> = {
  'nothing at all': {},
  'a global prefix': { configure: (app) => app.setGlobalPrefix('api/v1'), prefix: '/api/v1' },
  'a global prefix that leaves us out': {
    configure: (app) =>
      app.setGlobalPrefix('api', { exclude: ['debug/pprof', 'debug/pprof/{*rest}', 'of/nobody'] }),
  },
  'a global prefix that leaves all out': {
    configure: (app) => app.setGlobalPrefix('api', { exclude: ['{*all}'] }),
  },
  'versions in the path': {
    configure: (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
  },
  'versions in the path, under a prefix': {
    configure: (app) => {
      app.setGlobalPrefix('api');
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    },
    prefix: '/api',
  },
  'versions in a header': {
    configure: (app) =>
      app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version', defaultVersion: '2' }),
  },
  'no body parser': { options: { bodyParser: false } },
  'raw bodies': { options: { rawBody: true } },
  'a path of their own': { pprof: { path: 'ops/.profiles' } },
};

const POST: RequestOptions = { method: 'POST', body: '0x1+0x2' };

const module = (options: PprofModuleOptions): NonNullable<AppSetup['imports']>[number] =>
  PprofModule.forRoot({ ...INSPECTOR, ...options });

const statusOf = async (address: string, key: string): Promise<number> =>
  (await request(address, { headers: { 'x-key': key } })).status;

describe.each(ADAPTERS)('a port of their own on %s', (adapter) => {
  const sockets: Socket[] = [];
  const servers: Server[] = [];
  const { NODE_ENV } = process.env;

  afterEach(async () => {
    process.env.NODE_ENV = NODE_ENV;
    called = [];
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await once(server.close(), 'close');
    await closeApps();
  });

  async function start(setup: AppSetup = {}): Promise<Listening> {
    const log = new KeptLog();
    const { pprof } = setup;
    const app = await startApp(adapter, {
      ...setup,
      controllers: [CatsController, ...(setup.controllers ?? [])],
      pprof: pprof !== false && { listen: { port: 0 }, ...pprof },
      options: { ...setup.options, logger: log },
    });
    const own = log.lines.flatMap((line) => /^pprof is at (http:\S+)\/$/.exec(line)?.[1] ?? []);
    return { ...app, own, base: own[0]!, lines: log.lines };
  }

  async function occupiedPort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** A connection to the port of their own, that has sent nothing yet. */
  async function socketTo(base: string, host = '127.0.0.1'): Promise<Socket> {
    const socket = connect(Number(new URL(base).port), host);
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  describe('whatever paths the application has', () => {
    it.each(Object.entries(SHAPES))('%s: the endpoints are there and nowhere else', async (_, setup) => {
      const { prefix = '', pprof } = setup;
      const { base, url } = await start(setup);
      const path = (pprof && pprof.path) || 'debug/pprof';
      expect(new URL(base).pathname).toBe(`/${path}`);
      expect(await broken(base, SHORT)).toEqual([]);
      const profile = new DecodedProfile((await request(`${base}/heap`)).body);
      expect(profile.sampleTypes).toHaveLength(4);
      for (const at of new Set([`/${path}`, `${prefix}/${path}`])) {
        for (const rest of ['', '/', '/heap', '/symbol', '/nope', '/h%65ap', '/heap?seconds=abc']) {
          const unknown = await request(url + at.replace(path, 'of/nobody'));
          expectSame(await request({ base: url, path: at + rest }), unknown);
        }
      }
    });

    it('on the application’s port they are as unknown as anything', async () => {
      const { url } = await start();
      for (const options of [{}, POST, { method: 'PUT', body: '{"a":' }, { method: 'HEAD' }]) {
        for (const path of ['/debug/pprof/heap', '/debug/pprof/symbol', '/debug/pprof/', '/debug/pprof']) {
          const unknown = await request(`${url}/a/path/of/nobody`, options);
          expectSame(await request(url + path, options), unknown);
          expect(unknown.status).toBe(404);
        }
      }
    });

    it('the application is not on it', async () => {
      const { base, url } = await start();
      const { origin } = new URL(base);
      expect((await request(`${url}/cats`)).text).toBe('cats');
      called = [];
      for (const path of [
        '/cats',
        '/cats/',
        '/CATS',
        '//cats',
        '/%63ats',
        '/',
        '/debug',
        '/debug/',
        '/debug/pprofile',
        '/debug/pprof-2/heap',
        '/DEBUG/pprof/heap',
        '/api/debug/pprof/heap',
        '/heap',
        '//debug/pprof/heap',
        '/debug//pprof/heap',
        '/_',
        '/cats?/debug/pprof/heap',
        '/debug/pprof/../../cats',
        '/debug/pprof/%2e%2e/%2e%2e/cats',
      ]) {
        const answer = await request({ base: origin, path });
        expect([path, answer.status, answer.text]).toEqual([path, 404, UNKNOWN.text]);
        expect(answer.headers).toMatchObject({
          'x-go-pprof': '1',
          'content-type': 'text/plain; charset=utf-8',
          'x-content-type-options': 'nosniff',
        });
      }
      expect((await request(`${origin}/cats`, POST)).status).toBe(405);
      expect(called).toEqual([]);
    });

    it('the index shows its commands with that port, and links that lead there', async () => {
      const { base } = await start();
      const { text } = await request({ base, path: '/' });
      expect(text).toContain(`<code>go tool pprof ${base}/heap</code>`);
      expect((await request({ base, path: '' })).headers.location).toBe('pprof/');
    });

    it('one connection takes several requests', async () => {
      const { base } = await start();
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ports = new Set<unknown>();
      for (const name of ['heap', 'cmdline', 'nope', 'symbol']) {
        const [answer] = (await once(get(`${base}/${name}`, { agent }), 'response')) as [IncomingMessage];
        ports.add(answer.socket.localPort);
        answer.resume();
        await once(answer, 'end');
      }
      agent.destroy();
      expect(ports.size).toBe(1);
    });

    it('symbol is asked by POST, own profiles and endpoints of the application are there', async () => {
      const { app, base, url } = await start({ controllers: [UptimeController] });
      app.get(ProfilerService).newProfile('leases').add(1);
      const { body } = await request(`${base}/leases`);
      const [place] = new DecodedProfile(body).places;
      const address = `0x${place!.address.toString(16)}`;
      const symbol = await request(`${base}/symbol`, { method: 'POST', body: address });
      expect(symbol).toMatchObject({ status: 200, text: `num_symbols: 1\n${address} ${place!.name}\n` });
      expect(await request(`${base}/uptime`)).toMatchObject({ status: 200, text: 'up\n' });
      expect(await request(`${base}/uptime`, { method: 'POST' })).toMatchObject({
        status: 200,
        text: 'reset\n',
      });
      expect((await request({ base, path: '/' })).text).toContain('<a href="uptime">');
      for (const name of ['uptime', 'leases', 'symbol']) {
        expect((await request(`${url}/debug/pprof/${name}`)).status).toBe(404);
      }
    });
  });

  it.each([
    ['ops/profiles', 200],
    ['debug/pprof', 405],
  ])('symbolz is at its root too where clients ask there: with the path %s %d', async (path, status) => {
    const { app, url, base } = await start({ pprof: { path } });
    app.get(ProfilerService).newProfile('leases');
    const origin = new URL(base).origin;
    const answer = await request(`${origin}/symbolz`, { method: 'POST', body: '0x1' });
    expect(answer).toMatchObject({
      status,
      text: status === 200 ? 'num_symbols: 1\n' : 'Method Not Allowed\n',
    });
    expect((await request(`${url}/symbolz`, { method: 'POST', body: '0x1' })).status).toBe(404);
  });

  describe('guards', () => {
    const KEY = { 'x-key': 'sesame' };

    it.each<[string, AppSetup]>([
      ['of the option', { pprof: { guards: [new Opens('sesame')] } }],
      ['APP_GUARD', { providers: [{ provide: APP_GUARD, useValue: new Opens('sesame') }] }],
      ['useGlobalGuards', { configure: (app) => app.useGlobalGuards(new Opens('sesame')) }],
    ])('%s are asked', async (_, setup) => {
      const { base } = await start({ ...setup, controllers: [UptimeController] });
      const { origin } = new URL(base);
      for (const path of ['/heap', '/', '', '/nope', '/trace', '/symbol', '/uptime', '/../../cats']) {
        const answer = await request({ base, path });
        expect(answer).toMatchObject(CLOSED);
        expect(answer.headers['x-go-pprof']).toBe('1');
      }
      expect(await request(`${base}/symbol`, POST)).toMatchObject(CLOSED);
      expect(await request(`${origin}/cats`)).toMatchObject(CLOSED);
      expect((await request(`${base}/heap`, { headers: KEY })).status).toBe(200);
      expect((await request(`${base}/symbol`, { ...POST, headers: KEY })).status).toBe(200);
      expect(await request(`${origin}/cats`, { headers: KEY })).toMatchObject(UNKNOWN);
    });

    it.each(['development', 'production'])('with none, programs on this machine get in: %s', async (env) => {
      process.env.NODE_ENV = env;
      const { base } = await start();
      for (const path of ['/heap', '/', '/symbol']) expect((await request({ base, path })).status).toBe(200);
      const foreign: Record<string, string>[] = [
        { host: 'pprof.example' },
        { 'x-forwarded-for': '127.0.0.1' },
        { via: '1.1 proxy' },
        { 'sec-fetch-site': 'cross-site' },
      ];
      for (const headers of foreign) {
        const answer = await request(`${base}/heap`, { headers });
        expect(answer).toMatchObject({ status: 403, text: expect.stringMatching(/^pprof is closed/) });
      }
    });

    it('with none and no port of their own, production is told of both ways', async () => {
      process.env.NODE_ENV = 'production';
      const { url } = await start({ pprof: { listen: undefined } });
      const { status, text } = await request(`${url}/debug/pprof/heap`);
      expect(status).toBe(403);
      expect(text).toMatch(/^pprof is closed: [^\n]*"guards"[^\n]*"listen"[^\n]*\n$/);
    });
  });

  describe('the host', () => {
    it('is this machine alone', async () => {
      const { base, lines } = await start();
      expect(base).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/debug\/pprof$/);
      expect(lines.filter((line) => line.startsWith('pprof is at'))).toHaveLength(1);
      await expect(socketTo(base, '127.0.0.2')).rejects.toThrow('ECONNREFUSED');
    });

    it.each(['localhost', '127.0.0.2'])('may be another name of this machine: %s', async (host) => {
      const { base } = await start({ pprof: { listen: { port: 0, host } } });
      expect(new URL(base).hostname).toBe(host);
      expect((await request(`${base}/heap`)).status).toBe(200);
    });

    it.each(['0.0.0.0', '::', '10.0.0.1', 'pprof.example', '127.0.0.1.example', 'localhost.example', '0'])(
      'may not be another one without guards: %s',
      async (host) => {
        const pprof: PprofModuleOptions = { listen: { port: 0, host } };
        const message = `PprofModule: the option "listen" names the host ${host}, which takes the option "guards"`;
        await expect(start({ pprof })).rejects.toThrow(message);
        expect(() => PprofModule.forRootAsync({ ...pprof, useFactory: () => INSPECTOR })).toThrow(message);
      },
    );

    it('with guards it may be any: they are asked', async () => {
      const { base } = await start({
        pprof: { listen: { port: 0, host: '0.0.0.0' }, guards: [new Opens('sesame')] },
      });
      const there = base.replace('0.0.0.0', '127.0.0.2');
      expect(await request(`${there}/heap`)).toMatchObject(CLOSED);
      const headers = { 'x-key': 'sesame', host: 'pprof.example', 'x-forwarded-for': '10.0.0.1' };
      expect((await request(`${there}/heap`, { headers })).status).toBe(200);
    });
  });

  describe('a port that cannot be had', () => {
    it('in use: the boot fails, in one line', async () => {
      const port = await occupiedPort();
      const message = await failureOf(start({ pprof: { listen: { port } } }));
      expect(message).toMatch(
        new RegExp(`^PprofModule: the option "listen" [^\\n]*EADDRINUSE[^\\n]*127\\.0\\.0\\.1:${port}$`),
      );
    });

    it('another module has it: the boot fails', async () => {
      const { base } = await start();
      const port = Number(new URL(base).port);
      await expect(start({ pprof: { listen: { port } } })).rejects.toThrow(/option "listen".*EADDRINUSE/);
      expect((await request(`${base}/heap`)).status).toBe(200);
    });

    it('not an address of this machine: the boot fails', async () => {
      const pprof = { listen: { port: 0, host: '192.0.2.1' }, guards: [new Opens('sesame')] };
      expect(await failureOf(start({ pprof }))).toMatch(
        /^PprofModule: the option "listen" [^\n]*EADDRNOTAVAIL[^\n]*$/,
      );
    });

    it('and a port that could be had is let go when the boot fails', async () => {
      const port = await freePort();
      const failing = { onApplicationBootstrap: () => Promise.reject(new Error('no database')) };
      const booting = start({
        pprof: { listen: { port } },
        providers: [{ provide: 'failing', useValue: failing }],
      });
      await expect(booting).rejects.toThrow('no database');
      await closeApps();
      const { base } = await start({ pprof: { listen: { port } } });
      expect((await request(`${base}/heap`)).status).toBe(200);
    });
  });

  describe('is closed with the application', () => {
    it('at once, and takes no connection any more', async () => {
      const { base, close } = await start();
      await request(`${base}/heap`);
      expect(await timed(close)).toBeLessThan(2000);
      await expect(request(`${base}/heap`)).rejects.toThrow('ECONNREFUSED');
    });

    it.each<[string, string]>([
      ['that is kept alive', 'GET /debug/pprof/cmdline HTTP/1.1\r\nhost: localhost\r\n\r\n'],
      ['that was refused and is kept alive', 'GET /nope HTTP/1.1\r\nhost: localhost\r\n\r\n'],
      ['that has sent nothing', ''],
      ['in the middle of its headers', 'GET /debug/pprof/heap HTTP/1.1\r\nhost:'],
      [
        'in the middle of its body',
        'POST /debug/pprof/symbol HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n0x1',
      ],
    ])('with a connection %s', async (_, sent) => {
      const { base, close } = await start();
      const socket = await socketTo(base);
      socket.on('error', () => undefined);
      socket.resume();
      const gone = once(socket, 'close').catch(() => undefined);
      if (sent) await new Promise((resolve) => socket.write(sent, resolve));
      if (sent.startsWith('GET') && sent.endsWith('\r\n\r\n')) await once(socket, 'data');
      else await request(`${base}/cmdline`); // the server has seen the other one
      expect(await timed(close)).toBeLessThan(2000);
      await gone;
    });

    it.each<[string, number, string]>([
      ['profile?seconds=30', 200, 'application/octet-stream'],
      ['heap?seconds=30', 500, 'text/plain; charset=utf-8'],
    ])('a capture under way is answered: %s', async (path, status, type) => {
      const watch = new Watch();
      const { base, close } = await start({ pprof: { interceptors: [watch] } });
      const agent = new Agent({ keepAlive: true });
      const answer = once(get(`${base}/${path}`, { agent }), 'response') as Promise<[IncomingMessage]>;
      await watch.begun();
      expect(await timed(close)).toBeLessThan(3000);
      const [{ statusCode, headers }] = await answer;
      expect({ statusCode, type: headers['content-type'], connection: headers.connection }).toEqual({
        statusCode: status,
        type,
        connection: 'close',
      });
      agent.destroy();
    });

    it('several captures, each of them with its whole answer', async () => {
      const watch = new Watch();
      const { base, close } = await start({ pprof: { interceptors: [watch] } });
      const answers: Promise<Answer>[] = [];
      for (const path of ['profile?seconds=30', 'heap?seconds=30', 'allocs?seconds=30']) {
        const begun = watch.begun();
        answers.push(request(`${base}/${path}`));
        await begun;
      }
      expect(await timed(close)).toBeLessThan(3000);
      const [profile, ...windows] = await Promise.all(answers);
      expect(new DecodedProfile(profile!.body).sampleTypes).toHaveLength(2);
      expect(windows.map(({ text }) => text)).toEqual(['context canceled\n', 'context canceled\n']);
    });
  });

  describe('of two modules', () => {
    const LISTEN = { listen: { port: 0 } };

    it.each([
      ['two paths', 'one', 'two'],
      ['one path', 'debug/pprof', 'debug/pprof'],
    ])('each has its own, with %s', async (_, first, second) => {
      const { own, url } = await start({
        pprof: false,
        controllers: [UptimeController],
        imports: [
          module({ ...LISTEN, path: first, guards: [new Opens('first')] }),
          module({ ...LISTEN, path: second, guards: [new Opens('second')], endpoints: { cmdline: false } }),
        ],
      });
      expect(own).toHaveLength(2);
      const found: string[] = [];
      for (const base of own) {
        for (const key of ['first', 'second']) {
          const headers = { 'x-key': key };
          const statuses = [];
          for (const name of ['heap', 'cmdline', 'uptime', 'nope'])
            statuses.push((await request(`${base}/${name}`, { headers })).status);
          found.push(`${key} ${statuses.join(' ')}`);
          const path = new URL(base).pathname === '/one' ? 'two' : 'one';
          const foreign = await request(`${new URL(base).origin}/${path}/heap`, { headers });
          expect([401, 404]).toContain(foreign.status);
        }
      }
      expect(found.sort()).toEqual([
        'first 200 200 200 404',
        'first 401 401 401 401',
        'second 200 404 200 404',
        'second 401 401 401 401',
      ]);
      for (const path of [first, second]) expect((await request(`${url}/${path}/heap`)).status).toBe(404);
    });

    const listening = module({ ...LISTEN, guards: [new Opens('listening')] });
    it.each<[string, string, 'first' | 'last']>([
      ['at the same path, made first', 'debug/pprof', 'first'],
      ['at the same path, made last', 'debug/pprof', 'last'],
      ['at another path, made first', 'ops', 'first'],
      ['at another path, made last', 'ops', 'last'],
    ])('one on the application’s port %s: each is in its place only', async (_, path, place) => {
      const other = module({ path, guards: [new Opens('other')] });
      const { base, url } = await start({
        pprof: false,
        imports: place === 'first' ? [other, listening] : [listening, other],
      });
      const { origin } = new URL(base);
      expect(await statusOf(`${base}/heap`, 'listening')).toBe(200);
      expect(await statusOf(`${base}/heap`, 'other')).toBe(401);
      expect(await statusOf(`${url}/${path}/heap`, 'other')).toBe(200);
      expect(await statusOf(`${url}/${path}/heap`, 'listening')).toBe(401);
      if (path !== 'ops') return;
      expect(await statusOf(`${origin}/ops/heap`, 'other')).toBe(401); // the guards of its own module
      expect(await statusOf(`${origin}/ops/heap`, 'listening')).toBe(404);
      expect(await statusOf(`${url}/debug/pprof/heap`, 'listening')).toBe(404);
    });
  });

  it('forRootAsync takes it, and the factory does not', async () => {
    const { base, url } = await start({
      pprof: false,
      imports: [
        PprofModule.forRootAsync({
          listen: { port: 0 },
          path: 'later',
          useFactory: async () => Promise.resolve({ ...INSPECTOR, maxSeconds: 7 }),
        }),
      ],
    });
    expect(new URL(base).pathname).toBe('/later');
    expect((await request(`${base}/profile?seconds=8`)).text).toBe('seconds exceeds the maximum of 7\n');
    expect((await request(`${url}/later/heap`)).status).toBe(404);
  });

  it('enabled: false answers 404 there too', async () => {
    const { base } = await start({ pprof: { enabled: false } });
    for (const path of ['/', '/heap', '/symbol'])
      expect(await request({ base, path })).toMatchObject(UNKNOWN);
  });

  it('requests that come past the server do not find them', async () => {
    const { app } = await start();
    const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
    const server = createServer(instance.routing ?? instance).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const past = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    for (const path of ['/debug/pprof/heap', '/debug/pprof/', '/debug/pprof/symbol']) {
      expectSame(await request(past + path), await request(`${past}/a/path/of/nobody`));
    }
  });
});

describe('without HTTP', () => {
  it('an application context boots and has no port', async () => {
    @Module({ imports: [PprofModule.forRoot({ ...INSPECTOR, listen: { port: 0 } })] })
    class AppModule {}
    const log = new KeptLog();
    const context = await NestFactory.createApplicationContext(AppModule, {
      logger: log,
      abortOnError: false,
    });
    await context.close();
    expect(log.lines.filter((line) => line.startsWith('pprof is at'))).toEqual([]);
  });
});

/** An answer to one path is that to another one, but for the path in it. */
function expectSame(answer: Answer, other: Answer): void {
  expect(shapeOf(answer)).toEqual(shapeOf(other));
  expect(answer.headers).not.toHaveProperty('x-go-pprof');
}

function shapeOf({ status, headers, text }: Answer): object {
  const { date: _, etag: __, 'content-length': ___, ...rest } = headers;
  return { status, headers: rest, text: text.replace(/ \/[^\s"<]*/g, ' <path>') };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  await setImmediate();
  return port;
}

/** The message of what fails a boot. */
async function failureOf(booting: Promise<unknown>): Promise<string> {
  try {
    await booting;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it has booted');
}
