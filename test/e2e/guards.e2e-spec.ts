import {
  type CanActivate,
  type ExecutionContext,
  Global,
  HttpException,
  Inject,
  Injectable,
  Module,
  Scope,
  SetMetadata,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD, Reflector, REQUEST } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { EMPTY, of, throwError } from 'rxjs';
import { PprofModule, type PprofOptionsFactory, type PprofRuntimeOptions } from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { KeyGuard, line, Order, SESAME, UptimeController } from '../support/application-parts.js';
import { type Answer, request, type RequestOptions } from '../support/http.js';

interface WithHeaders {
  readonly headers: Readonly<Record<string, string | undefined>>;
}
interface WithHeader {
  header(name: string, value: string): unknown;
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
class KeysGuard implements CanActivate {
  constructor(private readonly keys: Keys) {}

  canActivate(context: ExecutionContext): boolean {
    return new KeyGuard(this.keys.key).canActivate(context);
  }
}

@Injectable()
class BareGuard extends KeyGuard {
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

@Module({ providers: [Keys, KeysGuard], exports: [KeysGuard] })
class KeyModule {}

@Module({ providers: [Keys], exports: [Keys] })
class KeysModule {}

@Global()
@Module({ providers: [Keys], exports: [Keys] })
class GlobalKeysModule {}

@Injectable()
class Options implements PprofOptionsFactory {
  createPprofOptions(): PprofRuntimeOptions {
    return {};
  }
}

@Module({ providers: [Options], exports: [Options] })
class OptionsModule {}

const refusing = (
  refuse: (context: ExecutionContext) => ReturnType<CanActivate['canActivate']>,
): AppSetup => ({
  pprof: { guards: [{ canActivate: refuse }] },
});

const throwing = (error: unknown): AppSetup =>
  refusing(() => {
    throw error;
  });

describe.each(ADAPTERS)('guards on %s', (adapter) => {
  afterEach(closeApps);

  const ask = async (setup: AppSetup, path = '/heap', options?: RequestOptions): Promise<Answer> => {
    const { base } = await startApp(adapter, setup);
    return request({ base, path }, options);
  };

  describe('given as an option', () => {
    const guards = [KeysGuard];
    const async = { guards, imports: [OptionsModule] };

    it.each<[string, AppSetup]>([
      ['the module that imports ours', { pprof: { guards }, providers: [Keys, KeysGuard] }],
      ['a module that ours does not import', { pprof: { guards }, imports: [KeyModule] }],
      ['`imports`', { pprof: { guards, imports: [KeyModule] } }],
      ['no module, with dependencies from `imports`', { pprof: { guards, imports: [KeysModule] } }],
      [
        'no module, with dependencies from a global module',
        { pprof: { guards }, imports: [GlobalKeysModule] },
      ],
      ['no module, without dependencies', { pprof: { guards: [BareGuard] } }],
      [
        'a module, request-scoped with REQUEST',
        { pprof: { guards: [RequestGuard] }, providers: [Keys, RequestGuard] },
      ],
      [
        'a module, with a request-scoped dependency',
        { pprof: { guards: [VisitorGuard] }, providers: [Visitor, VisitorGuard] },
      ],
      ['an instance', { pprof: { guards: [new KeyGuard('sesame')] } }],
      [
        'several',
        { pprof: { guards: [BareGuard, KeysGuard, new KeyGuard('sesame')] }, imports: [KeyModule] },
      ],
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
    ])('protect every endpoint where they are provided by %s', async (_, setup) => {
      const { base } = await startApp(adapter, setup);
      for (const path of ['/heap', '/', '/nope']) {
        expect(await request({ base, path })).toMatchObject(line(401, 'Unauthorized'));
        expect((await request({ base, path }, { headers: { 'x-key': 'wrong' } })).status).toBe(401);
        const admitted = await request({ base, path }, { headers: SESAME });
        expect(admitted.status).toBe(path === '/nope' ? 404 : 200);
      }
    });

    it("are the application's one instance", async () => {
      Keys.created = 0;
      await ask({ pprof: { guards, imports: [KeyModule] }, imports: [KeyModule] });
      expect(Keys.created).toBe(1);
    });

    it('fail the boot if no module provides them and Nest cannot create them', async () => {
      await expect(ask({ pprof: { guards } })).rejects.toThrow(
        'PprofModule: the guard KeysGuard is not a provider of any module; add it to "providers"',
      );
    });

    it('fail the boot with their own error if their constructor throws', async () => {
      class Broken extends BareGuard {
        constructor() {
          super();
          throw new Error('no key is configured');
        }
      }
      await expect(ask({ pprof: { guards: [Broken] } })).rejects.toThrow(/^no key is configured$/);
    });
  });

  describe('refuse in one line of text', () => {
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
    ])('with %s', async (_, setup, status, message) => {
      const answer = await ask(setup);
      expect(answer).toMatchObject(line(status, message));
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-go-pprof': '1',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
      });
      expect(answer.headers).not.toHaveProperty('content-disposition');
    });

    it('and keep the headers that they set', async () => {
      const answer = await ask(
        refusing((context) => {
          context.switchToHttp().getResponse<WithHeader>().header('WWW-Authenticate', 'Basic realm="ops"');
          throw new UnauthorizedException();
        }),
      );
      expect(answer).toMatchObject(line(401, 'Unauthorized'));
      expect(answer.headers['www-authenticate']).toBe('Basic realm="ops"');
    });

    it.each<[string, AppSetup]>([
      ['true', refusing(() => true)],
      ['a promise of true', refusing(async () => true)],
      ['an observable of true', refusing(() => of(false, true))],
    ])('and admit a request by %s', async (_, setup) => expect((await ask(setup)).status).toBe(200));
  });

  it('are asked in order up to the first refusal, global guards first', async () => {
    const order = new Order();
    const guards = [order.guard('one'), order.guard('two', false), order.guard('three')];
    const answer = await ask({
      pprof: { guards },
      providers: [{ provide: APP_GUARD, useValue: order.guard('of the application') }],
    });
    expect(answer.status).toBe(403);
    expect(order.lines).toEqual(['of the application', 'one', 'two']);
  });

  describe('of the application', () => {
    it.each<[string, AppSetup]>([
      [
        'APP_GUARD',
        {
          imports: [KeyModule],
          providers: [{ provide: APP_GUARD, useExisting: KeysGuard }, Keys, KeysGuard],
        },
      ],
      ['useGlobalGuards', { configure: (app) => app.useGlobalGuards(new KeyGuard('sesame')) }],
    ])('given by %s refuse as text, before those of the option', async (_, setup) => {
      const order = new Order();
      const { base } = await startApp(adapter, { ...setup, pprof: { guards: [order.guard('ours')] } });
      for (const path of ['/heap', '/', '', '/nope', '/trace']) {
        const answer = await request({ base, path });
        expect(answer).toMatchObject(line(401, 'Unauthorized'));
        expect(answer.headers['x-go-pprof']).toBe('1');
      }
      expect((await request(`${base}/heap`, { method: 'POST' })).status).toBe(401);
      expect(order.lines).toEqual([]);
      expect((await request(`${base}/heap`, { headers: SESAME })).status).toBe(200);
      expect(order.lines).toEqual(['ours']);
    });

    const throttled: AppSetup = {
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    };

    it('may throttle: 429 with their header', async () => {
      const { base } = await startApp(adapter, throttled);
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await request(`${base}/heap`));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
      expect(answers[2]).toMatchObject(line(429, 'ThrottlerException: Too Many Requests'));
      expect(answers[2]!.headers['retry-after']).toBe('60');
    });

    it.each(['/heap', '/nope', '/uptime'])(
      'do not throttle %s with decorators: [SkipThrottle()]',
      async (path) => {
        const { base } = await startApp(adapter, {
          ...throttled,
          controllers: [UptimeController],
          pprof: { decorators: [SkipThrottle()] },
        });
        for (let i = 0; i < 4; i++) {
          expect((await request({ base, path })).status).toBe(path === '/nope' ? 404 : 200);
        }
      },
    );
  });

  describe("on the application's own endpoints", () => {
    it('are asked too', async () => {
      const { base } = await startApp(adapter, {
        controllers: [UptimeController],
        pprof: { guards: [BareGuard] },
      });
      const uptime = (options?: RequestOptions): Promise<Answer> => request(`${base}/uptime`, options);
      expect(await uptime()).toMatchObject(line(401, 'Unauthorized'));
      expect(await uptime({ method: 'POST' })).toMatchObject(line(401, 'Unauthorized'));
      expect(await uptime({ method: 'PUT' })).toMatchObject(line(401, 'Unauthorized'));
      expect(await uptime({ headers: SESAME })).toMatchObject(line(200, 'up'));
      expect(await uptime({ headers: SESAME, method: 'POST' })).toMatchObject(line(200, 'reset'));
      const put = await uptime({ headers: SESAME, method: 'PUT' });
      expect(put).toMatchObject(line(405, 'Method Not Allowed'));
      expect(put.headers.allow).toBe('GET, HEAD, POST');
      expect((await request(`${base}/`, { headers: SESAME })).text).toContain('<a href="uptime">');
    });
  });
});

describe.each(ADAPTERS)('guards on %s are asked before anything else', (adapter) => {
  let base: string;
  beforeAll(async () => {
    ({ base } = await startApp(adapter, { pprof: { guards: [new KeyGuard('sesame')] } }));
  });
  afterAll(closeApps);

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
  ])('so %s %j returns 401 without a hint', async (method, path, options) => {
    const answer = await request({ base, path }, { method, ...options });
    expect(answer).toMatchObject(method === 'HEAD' ? { status: 401 } : line(401, 'Unauthorized'));
    expect(answer.headers).toMatchObject({ 'x-go-pprof': '1', 'x-content-type-options': 'nosniff' });
    expect(answer.headers).not.toHaveProperty('allow');
    expect(answer.headers).not.toHaveProperty('location');
  });
});
