import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Get,
  Global,
  HttpException,
  Inject,
  Injectable,
  Module,
  type NestInterceptor,
  Post,
  Scope,
  SetMetadata,
  type Type,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD, Reflector, REQUEST } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EMPTY, finalize, type Observable, of, throwError } from 'rxjs';
import {
  PprofEndpoint,
  PprofModule,
  type PprofOptionsFactory,
  type PprofRuntimeOptions,
} from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, INSPECTOR, startApp } from '../support/app.js';
import { type Answer, request, type RequestOptions } from '../support/http.js';

interface WithHeaders {
  readonly headers: Readonly<Record<string, string | undefined>>;
}
interface WithHeader {
  header(name: string, value: string): unknown;
}

const keyOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<WithHeaders>().headers['x-key'];

/** A guard that lets one key through, as an instance. */
class Opens implements CanActivate {
  constructor(private readonly key: string) {}

  canActivate(context: ExecutionContext): boolean {
    if (keyOf(context) !== this.key) throw new UnauthorizedException();
    return true;
  }
}

@Injectable()
class Keys {
  static created = 0;
  readonly key = 'sesame';
  constructor() {
    Keys.created++;
  }
}

@Injectable()
class KeyGuard implements CanActivate {
  constructor(private readonly keys: Keys) {}

  canActivate(context: ExecutionContext): boolean {
    return new Opens(this.keys.key).canActivate(context);
  }
}

@Injectable()
class BareGuard extends Opens {
  constructor() {
    super('sesame');
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestGuard implements CanActivate {
  constructor(
    private readonly keys: Keys,
    @Inject(REQUEST) private readonly request: WithHeaders,
  ) {}

  canActivate(): boolean {
    if (this.request.headers['x-key'] !== this.keys.key) throw new UnauthorizedException();
    return true;
  }
}

@Injectable({ scope: Scope.REQUEST })
class Visitor {
  constructor(@Inject(REQUEST) readonly request: WithHeaders) {}
}

@Injectable()
class VisitorGuard implements CanActivate {
  constructor(private readonly visitor: Visitor) {}

  canActivate(): boolean {
    if (this.visitor.request.headers['x-key'] !== 'sesame') throw new UnauthorizedException();
    return true;
  }
}

const SkipThrottle = (): ClassDecorator => SetMetadata('skip throttle', true);

/**
 * What `@nestjs/throttler`'s guard does, to the letter of its answers. The package itself is CommonJS that requires
 * ESM, which jest cannot load before Node 24.
 */
@Injectable()
class ThrottlerGuard implements CanActivate {
  private requests = 0;
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const handlers = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>('skip throttle', handlers)) return true;
    if (++this.requests <= 2) return true;
    context.switchToHttp().getResponse<WithHeader>().header('Retry-After', '60');
    throw new HttpException('ThrottlerException: Too Many Requests', 429);
  }
}

@Module({ providers: [Keys, KeyGuard], exports: [KeyGuard] })
class KeyModule {}

@Module({ providers: [Keys], exports: [Keys] })
class KeysModule {}

@Global()
@Module({ providers: [Keys], exports: [Keys] })
class GlobalKeysModule {}

@Injectable()
class Options implements PprofOptionsFactory {
  createPprofOptions(): PprofRuntimeOptions {
    return INSPECTOR;
  }
}

@Module({ providers: [Options], exports: [Options] })
class OptionsModule {}

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

/** Remembers what happens, in order. */
class Log {
  readonly lines: string[] = [];
  guard(name: string, verdict = true): CanActivate {
    return {
      canActivate: () => {
        this.lines.push(name);
        return verdict;
      },
    };
  }
  interceptor(name: string): NestInterceptor {
    return {
      intercept: (_: ExecutionContext, next: CallHandler) => {
        this.lines.push(`${name} begins`);
        return next.handle().pipe(finalize(() => this.lines.push(`${name} ends`)));
      },
    };
  }
}

const WITH_KEY = { 'x-key': 'sesame' };
const text = (status: number, line: string): Partial<Answer> => ({ status, text: `${line}\n` });

const refusing = (
  refuse: (context: ExecutionContext) => ReturnType<CanActivate['canActivate']>,
): AppSetup => ({
  pprof: { guards: [{ canActivate: refuse }] },
});

const throwing = (error: unknown): AppSetup =>
  refusing(() => {
    throw error;
  });

const two = (first: string, second: string): AppSetup => ({
  pprof: false,
  controllers: [UptimeController],
  imports: [
    PprofModule.forRoot({ ...INSPECTOR, path: first, guards: [new Opens('first')] }),
    PprofModule.forRoot({ ...INSPECTOR, path: second, guards: [new Opens('second')], cmdline: false }),
  ],
});

const guardedAt = (path: string): AppSetup => ({
  controllers: [UptimeController],
  pprof: { path, guards: [new Opens(path)] },
});

describe.each(ADAPTERS)('guards on %s', (adapter) => {
  afterEach(closeApps);

  const ask = async (setup: AppSetup, path = '/heap', options?: RequestOptions): Promise<Answer> => {
    const { base } = await startApp(adapter, setup);
    return request({ base, path }, options);
  };

  describe('come from anywhere in the application', () => {
    const guards = [KeyGuard];
    const async = { guards, imports: [OptionsModule] };

    it.each<[string, AppSetup]>([
      ['the module that imports ours', { pprof: { guards }, providers: [Keys, KeyGuard] }],
      ['a module that ours does not import', { pprof: { guards }, imports: [KeyModule] }],
      ['`imports`', { pprof: { guards, imports: [KeyModule] } }],
      ['nowhere, with dependencies from `imports`', { pprof: { guards, imports: [KeysModule] } }],
      ['nowhere, with dependencies from a global module', { pprof: { guards }, imports: [GlobalKeysModule] }],
      ['nowhere, without dependencies', { pprof: { guards: [BareGuard] } }],
      ['a request, with REQUEST', { pprof: { guards: [RequestGuard] }, providers: [Keys, RequestGuard] }],
      [
        'a request, by a dependency',
        { pprof: { guards: [VisitorGuard] }, providers: [Visitor, VisitorGuard] },
      ],
      ['an instance', { pprof: { guards: [new Opens('sesame')] } }],
      ['several', { pprof: { guards: [BareGuard, KeyGuard, new Opens('sesame')] }, imports: [KeyModule] }],
      [
        'forRootAsync with useFactory',
        {
          pprof: false,
          imports: [
            KeyModule,
            PprofModule.forRootAsync({
              ...async,
              inject: [Options],
              useFactory: (it: Options) => it.createPprofOptions(),
            }),
          ],
        },
      ],
      [
        'forRootAsync with useClass',
        { pprof: false, imports: [KeyModule, PprofModule.forRootAsync({ guards, useClass: Options })] },
      ],
      [
        'forRootAsync with useExisting',
        { pprof: false, imports: [KeyModule, PprofModule.forRootAsync({ ...async, useExisting: Options })] },
      ],
    ])('%s', async (_, setup) => {
      const { base } = await startApp(adapter, setup);
      for (const path of ['/heap', '/', '/nope']) {
        expect(await request({ base, path })).toMatchObject(text(401, 'Unauthorized'));
        expect((await request({ base, path }, { headers: { 'x-key': 'wrong' } })).status).toBe(401);
        const admitted = await request({ base, path }, { headers: WITH_KEY });
        expect(admitted.status).toBe(path === '/nope' ? 404 : 200);
      }
    });

    it("use the application's one instance", async () => {
      Keys.created = 0;
      await ask({ pprof: { guards, imports: [KeyModule] }, imports: [KeyModule] });
      expect(Keys.created).toBe(1);
    });

    it('fail the boot where their dependencies are nowhere', async () => {
      await expect(ask({ pprof: { guards } })).rejects.toThrow(/resolve dependencies of the KeyGuard/);
    });
  });

  describe('are asked before anything is told', () => {
    it.each<[string, string, RequestOptions]>([
      ['GET', '/', {}],
      ['GET', '', {}],
      ['GET', '/heap?seconds=abc', {}],
      ['GET', '/nope', {}],
      ['GET', '/%zz', {}],
      ['GET', '/trace', {}],
      ['HEAD', '/heap', {}],
      ['POST', '/heap', {}],
      ['POST', '/nope', {}],
      ['POST', '', {}],
      ['OPTIONS', '/', {}],
      ['DELETE', '/cmdline', {}],
      ['POST', '/heap', { body: '{"a":', headers: { 'content-type': 'application/json' } }],
      ['POST', '/nope', { body: 'x', headers: { 'content-type': 'application/x-nobody-knows' } }],
    ])('%s %j', async (method, path, options) => {
      const answer = await ask({ pprof: { guards: [new Opens('sesame')] } }, path, { method, ...options });
      expect(answer).toMatchObject(method === 'HEAD' ? { status: 401 } : text(401, 'Unauthorized'));
      expect(answer.headers).toMatchObject({ 'x-go-pprof': '1', 'x-content-type-options': 'nosniff' });
      expect(answer.headers).not.toHaveProperty('allow');
      expect(answer.headers).not.toHaveProperty('location');
    });
  });

  describe('say no in their own way', () => {
    it.each<[string, AppSetup, number, string]>([
      ['false', refusing(() => false), 403, 'Forbidden resource'],
      ['a promise of false', refusing(async () => false), 403, 'Forbidden resource'],
      ['an observable of false', refusing(() => of(true, false)), 403, 'Forbidden resource'],
      ['an observable of nothing', refusing(() => EMPTY), 500, 'Internal Server Error'],
      ['a 401', throwing(new UnauthorizedException('who are you?')), 401, 'who are you?'],
      ['a 429', throwing(new HttpException('slow down', 429)), 429, 'slow down'],
      ['an object', throwing(new HttpException({ message: 'teapot', code: 7 }, 418)), 418, 'teapot'],
      ['several lines', throwing(new HttpException('one\r\ntwo\0', 400)), 400, 'one two'],
      ['a plain error', throwing(new Error('the password is hunter2')), 500, 'Internal Server Error'],
      ['no error at all', throwing('hunter2'), 500, 'Internal Server Error'],
      ['a promise that fails', refusing(() => Promise.reject(new HttpException('late', 402))), 402, 'late'],
      [
        'an observable that fails',
        refusing(() => throwError(() => new Error('hunter2'))),
        500,
        'Internal Server Error',
      ],
    ])('%s', async (_, setup, status, line) => {
      const answer = await ask(setup);
      expect(answer).toMatchObject(text(status, line));
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-go-pprof': '1',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
      });
      expect(answer.headers).not.toHaveProperty('content-disposition');
    });

    it('and the headers that they set stay', async () => {
      const answer = await ask(
        refusing((context) => {
          context.switchToHttp().getResponse<WithHeader>().header('WWW-Authenticate', 'Basic realm="ops"');
          throw new UnauthorizedException();
        }),
      );
      expect(answer).toMatchObject(text(401, 'Unauthorized'));
      expect(answer.headers['www-authenticate']).toBe('Basic realm="ops"');
    });

    it.each<[string, AppSetup]>([
      ['true', refusing(() => true)],
      ['a promise of true', refusing(async () => true)],
      ['an observable of true', refusing(() => of(false, true))],
    ])('and yes: %s', async (_, setup) => expect((await ask(setup)).status).toBe(200));
  });

  it('are asked in order, up to the first no; global ones come first', async () => {
    const log = new Log();
    const guards = [log.guard('one'), log.guard('two', false), log.guard('three')];
    const answer = await ask({
      pprof: { guards },
      providers: [{ provide: APP_GUARD, useValue: log.guard('of the application') }],
    });
    expect(answer.status).toBe(403);
    expect(log.lines).toEqual(['of the application', 'one', 'two']);
  });

  describe('global ones', () => {
    it.each<[string, AppSetup]>([
      [
        'APP_GUARD',
        { imports: [KeyModule], providers: [{ provide: APP_GUARD, useExisting: KeyGuard }, Keys, KeyGuard] },
      ],
      ['useGlobalGuards', { configure: (app) => app.useGlobalGuards(new Opens('sesame')) }],
    ])('refuse as text, before all of ours: %s', async (_, setup) => {
      const log = new Log();
      const { base } = await startApp(adapter, { ...setup, pprof: { guards: [log.guard('ours')] } });
      for (const path of ['/heap', '/', '', '/nope', '/trace']) {
        const answer = await request({ base, path });
        expect(answer).toMatchObject(text(401, 'Unauthorized'));
        expect(answer.headers['x-go-pprof']).toBe('1');
      }
      expect((await request(`${base}/heap`, { method: 'POST' })).status).toBe(401);
      expect(log.lines).toEqual([]);
      expect((await request(`${base}/heap`, { headers: WITH_KEY })).status).toBe(200);
      expect(log.lines).toEqual(['ours']);
    });

    const throttled: AppSetup = {
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    };

    it('throttle, with their header', async () => {
      const { base } = await startApp(adapter, throttled);
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await request(`${base}/heap`));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
      expect(answers[2]).toMatchObject(text(429, 'ThrottlerException: Too Many Requests'));
      expect(answers[2]!.headers['retry-after']).toBe('60');
    });

    it.each(['/heap', '/nope', '/uptime'])('do not where `decorators` say so: %s', async (path) => {
      const { base } = await startApp(adapter, {
        ...throttled,
        controllers: [UptimeController],
        pprof: { decorators: [SkipThrottle()] },
      });
      for (let i = 0; i < 4; i++) {
        expect((await request({ base, path })).status).toBe(path === '/nope' ? 404 : 200);
      }
    });
  });

  describe('where there are none', () => {
    const LOCAL: Record<string, string>[] = [
      {},
      { host: 'localhost' },
      { host: 'LocalHost:3000' },
      { host: '127.8.9.10:80' },
      { host: '[::1]:3000' },
      { 'sec-fetch-site': 'none' },
      { 'sec-fetch-site': 'same-origin' },
      { origin: 'http://localhost:3000' },
    ];
    const FOREIGN: Record<string, string>[] = [
      { host: 'pprof.example' },
      { host: 'localhost.example' },
      { host: '127.0.0.1.example' },
      { host: '127.0.0.1:80.example' },
      { host: 'localhost:80@example' },
      { host: '[::1].example' },
      { host: '10.0.0.1' },
      { 'x-forwarded-for': '127.0.0.1' },
      { 'X-Forwarded-For': '' },
      { 'x-forwarded-host': 'localhost' },
      { 'x-forwarded-proto': 'https' },
      { 'x-forwarded-whatever': '1' },
      { forwarded: 'for=127.0.0.1' },
      { via: '1.1 proxy' },
      { 'x-real-ip': '127.0.0.1' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': '' },
    ];
    const CLOSED = /^pprof is closed\b.*"guards".*\n$/;

    it.each(LOCAL)('a program on this machine gets in: %j', async (headers) => {
      expect((await ask({}, '/cmdline', { headers })).status).toBe(200);
    });

    it.each(FOREIGN)('anybody else gets 403: %j', async (headers) => {
      const { base } = await startApp(adapter, { controllers: [UptimeController] });
      for (const path of ['/cmdline', '/', '', '/nope', '/uptime', '/%zz']) {
        const answer = await request({ base, path }, { headers });
        expect(answer).toMatchObject({ status: 403, text: expect.stringMatching(CLOSED) });
        expect(answer.headers['x-go-pprof']).toBe('1');
      }
    });

    it("counts the socket's address, not one that the application trusts a header for", async () => {
      const trusting: AppSetup = {
        configure: (app) =>
          (app.getHttpAdapter().getInstance() as { set?(...args: unknown[]): void }).set?.(
            'trust proxy',
            true,
          ),
      };
      expect((await ask(trusting, '/heap', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status).toBe(
        403,
      );
    });

    describe('in production', () => {
      const { NODE_ENV } = process.env;
      afterEach(() => {
        process.env.NODE_ENV = NODE_ENV;
      });

      it.each(['/heap', '/', '/nope', '/uptime'])('nobody gets in: %s', async (path) => {
        process.env.NODE_ENV = 'production';
        const { base } = await startApp(adapter, { controllers: [UptimeController] });
        process.env.NODE_ENV = NODE_ENV; // what it is later changes nothing
        const answer = await request({ base, path });
        expect(answer).toMatchObject({ status: 403, text: expect.stringMatching(CLOSED) });
        expect(answer.text).toContain('NODE_ENV is production');
      });

      it('guards alone decide', async () => {
        process.env.NODE_ENV = 'production';
        const { base } = await startApp(adapter, { pprof: { guards: [BareGuard] } });
        const headers = {
          host: 'pprof.example',
          'x-forwarded-for': '10.0.0.1',
          'sec-fetch-site': 'cross-site',
        };
        expect((await request(`${base}/heap`, { headers: { ...headers, ...WITH_KEY } })).status).toBe(200);
        expect((await request(`${base}/heap`, { headers: { host: 'localhost' } })).status).toBe(401);
      });
    });
  });

  describe("on users' own endpoints", () => {
    it('are the same', async () => {
      const { base } = await startApp(adapter, {
        controllers: [UptimeController],
        pprof: { guards: [BareGuard] },
      });
      const uptime = (options?: RequestOptions): Promise<Answer> => request(`${base}/uptime`, options);
      expect(await uptime()).toMatchObject(text(401, 'Unauthorized'));
      expect(await uptime({ method: 'POST' })).toMatchObject(text(401, 'Unauthorized'));
      expect(await uptime({ method: 'PUT' })).toMatchObject(text(401, 'Unauthorized'));
      expect(await uptime({ headers: WITH_KEY })).toMatchObject(text(200, 'up'));
      expect(await uptime({ headers: WITH_KEY, method: 'POST' })).toMatchObject(text(200, 'reset'));
      const put = await uptime({ headers: WITH_KEY, method: 'PUT' });
      expect(put).toMatchObject(text(405, 'Method Not Allowed'));
      expect(put.headers.allow).toBe('GET, HEAD, POST');
      expect((await request(`${base}/`, { headers: WITH_KEY })).text).toContain('<a href="uptime">');
    });
  });

  describe('of two modules', () => {
    it.each(['heap', 'uptime', '', 'nope', 'trace'])('do not mix: %j', async (name) => {
      const { url } = await startApp(adapter, two('first', 'second'));
      const status = { heap: 200, uptime: 200, '': 200, nope: 404, trace: 501 }[name];
      for (const [path, key, expected] of [
        ['first', 'first', status],
        ['first', 'second', 401],
        ['second', 'second', status],
        ['second', 'first', 401],
      ] as const) {
        const answer = await request(`${url}/${path}/${name}`, { headers: { 'x-key': key } });
        expect([path, key, answer.status]).toEqual([path, key, expected]);
      }
    });

    it('have options of their own', async () => {
      const { url } = await startApp(adapter, two('ops', 'ops/inner'));
      const status = async (path: string, key: string): Promise<number> =>
        (await request(url + path, { headers: { 'x-key': key } })).status;
      expect(await status('/ops/cmdline', 'first')).toBe(200);
      expect(await status('/ops/inner/cmdline', 'second')).toBe(404);
      expect(await status('/ops/inner/heap', 'second')).toBe(200);
      expect(await status('/ops/inner/heap', 'first')).toBe(401);
    });

    it.each([
      ['debug/pprof', 'debug/pprof'],
      ['debug/pprof', '/debug/pprof/'],
    ])('at one path fail the boot: %s and %s', async (first, second) => {
      await expect(startApp(adapter, two(first, second))).rejects.toThrow(
        'PprofModule: two modules have the path "debug/pprof"; give each its own',
      );
    });

    it('in two applications do not meet', async () => {
      const one = await startApp(adapter, guardedAt('one'));
      const other = await startApp(adapter, guardedAt('other'));
      for (const [app, key] of [
        [one, 'one'],
        [other, 'other'],
      ] as const) {
        const headers = { 'x-key': key };
        for (const name of ['heap', 'uptime']) {
          expect((await request(`${app.base}/${name}`, { headers })).status).toBe(200);
          expect((await request(`${app.base}/${name}`)).status).toBe(401);
        }
      }
      expect((await request(`${one.url}/other/heap`, { headers: { 'x-key': 'other' } })).status).toBe(404);
      expect((await request(`${other.url}/one/uptime`, { headers: { 'x-key': 'one' } })).status).toBe(404);
    });
  });

  describe('and interceptors', () => {
    @Injectable()
    class Counter {
      readonly lines: string[] = [];
    }
    @Injectable()
    class CountingInterceptor implements NestInterceptor {
      constructor(private readonly counter: Counter) {}
      intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
        this.counter.lines.push('counted');
        return next.handle();
      }
    }
    const counting: Type<NestInterceptor>[] = [CountingInterceptor];

    it('come by class too, from anywhere', async () => {
      const { app, base } = await startApp(adapter, {
        providers: [Counter, CountingInterceptor],
        pprof: { interceptors: counting },
      });
      await request(`${base}/heap`);
      await request(`${base}/nope`);
      expect(app.get(Counter).lines).toEqual(['counted', 'counted']);
    });

    it('fail the boot where their dependencies are nowhere', async () => {
      await expect(startApp(adapter, { pprof: { interceptors: counting } })).rejects.toThrow(
        /resolve dependencies of the CountingInterceptor/,
      );
    });

    it('are around the whole capture, in order, after the guards', async () => {
      const log = new Log();
      const { base } = await startApp(adapter, {
        pprof: {
          guards: [log.guard('guard')],
          interceptors: [log.interceptor('outer'), log.interceptor('inner')],
        },
      });
      const answer = request(`${base}/profile?seconds=1`);
      await request(`${base}/nope`);
      expect(log.lines).toHaveLength(8);
      expect(log.lines.filter((line) => line.endsWith('ends'))).toHaveLength(2); // of the other request
      expect((await answer).status).toBe(200);
      log.lines.length = 0;
      await request(`${base}/heap`);
      expect(log.lines).toEqual(['guard', 'outer begins', 'inner begins', 'inner ends', 'outer ends']);
    });

    it('may refuse, as text', async () => {
      const refusing: NestInterceptor = {
        intercept: () => throwError(() => new HttpException('not now', 503)),
      };
      expect(await ask({ pprof: { interceptors: [refusing] } })).toMatchObject(text(503, 'not now'));
    });
  });
});
