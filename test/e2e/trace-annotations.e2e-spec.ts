import {
  type ArgumentMetadata,
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  mixin,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  type PipeTransform,
  Query,
  Sse,
  type Type,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { MessagePattern, Payload, Server } from '@nestjs/microservices';
import { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  finalize,
  lastValueFrom,
  map,
  NEVER,
  type Observable,
  of,
  repeat,
  ReplaySubject,
  startWith,
  toArray,
} from 'rxjs';
import { TraceRegion, TraceTask } from '../../src/index.js';
import { nestRegions } from '../../src/profiling/trace/nest-regions.js';
import { activeTrace } from '../../src/sampling/active-trace.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { until } from '../support/async.js';
import { request } from '../support/http.js';
import { type MadeUpTrace, startMadeUpTrace, stopMadeUpTrace } from '../support/made-up-trace.js';

const log = (value: string): void => activeTrace()?.log('at', value);
const tick = (): Promise<void> => Promise.resolve();

@Injectable()
class AuthGuard implements CanActivate {
  private readonly verdict = true;

  canActivate(): boolean {
    log('guard');
    return this.verdict;
  }
}

@Injectable()
class TokenGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    await tick();
    log('token');
    return true;
  }
}

@Injectable()
class RefusingGuard implements CanActivate {
  canActivate(): Observable<boolean> {
    return of(false);
  }
}

function roleGuard(role: string): Type<CanActivate> {
  class RoleGuard implements CanActivate {
    canActivate(): boolean {
      return role !== '';
    }
  }
  return mixin(RoleGuard);
}

@Injectable()
class DoublingPipe implements PipeTransform<number, Promise<number>> {
  async transform(value: number, { data }: ArgumentMetadata): Promise<number> {
    await tick();
    log(String(data));
    return value * 2;
  }
}

@Injectable()
class LoggingInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    log('before');
    return next.handle().pipe(map((value) => (log('after'), value)));
  }
}

@Injectable()
class LaterInterceptor implements NestInterceptor {
  async intercept(_: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    await tick();
    return next.handle();
  }
}

const replacedByAnotherFunction: MethodDecorator = (_, __, descriptor) => {
  descriptor.value = (() => 'cat') as never;
};

const frozen: MethodDecorator = (_, __, descriptor) => {
  Object.freeze(descriptor.value);
};

abstract class CrudController {
  @Get('inherited')
  inherited(): string {
    return 'cats';
  }
}

class CatsService {
  @TraceRegion()
  find(): string {
    log('find');
    return 'cat';
  }
}

@Controller('cats')
class CatsController extends CrudController {
  private readonly service = new CatsService();

  @Get('plain')
  plain(): string {
    log('handler');
    return 'cat';
  }

  @Get('guards')
  @UseGuards(
    AuthGuard,
    TokenGuard,
    { canActivate: () => true },
    roleGuard('admin'),
    new Proxy(new AuthGuard(), {}),
  )
  guards(): string {
    return 'cat';
  }

  @Get('refused')
  @UseGuards(AuthGuard, RefusingGuard, TokenGuard)
  refused(): void {}

  @Get('pipes/:id')
  async pipes(@Param('id', ParseIntPipe, DoublingPipe) id: number): Promise<string> {
    log('handler');
    await tick();
    log('later');
    return `cat ${id}`;
  }

  @Get('without-pipes/:id')
  withoutPipes(@Param('id') id: string): string {
    log('handler');
    return `cat ${id}`;
  }

  @Get('parallel')
  parallel(
    @Query('a', ParseIntPipe, DoublingPipe) a: number,
    @Query('b', ParseIntPipe, DoublingPipe) b: number,
  ): string {
    log('handler');
    return `cats ${a + b}`;
  }

  @Get('interceptors')
  @UseInterceptors(LoggingInterceptor, LaterInterceptor)
  async interceptors(): Promise<string> {
    await tick();
    log('handler');
    return 'cat';
  }

  @Get('observable')
  @UseInterceptors(LoggingInterceptor)
  observable(): Observable<string> {
    return of('cat').pipe(map((cat) => (log('handler'), cat)));
  }

  @Get('throws')
  @UseInterceptors(LoggingInterceptor)
  @UsePipes(ParseIntPipe)
  throws(): never {
    throw new Error('no cat');
  }

  unsubscribed = (): void => {};

  @Sse('events')
  @UseInterceptors(LoggingInterceptor)
  events(): Observable<{ data: string }> {
    return NEVER.pipe(
      startWith({ data: 'meow' }),
      finalize(() => this.unsubscribed()),
    );
  }

  @Get('renamed')
  @replacedByAnotherFunction
  renamed(): string {
    return 'cat';
  }

  @Get('frozen')
  @frozen
  frozen(): string {
    return 'cat';
  }

  @Get('query')
  query(): object {
    // oxlint-disable-next-line unicorn/no-thenable -- as that of a database query, which runs it
    return { then: (resolve: (cats: string) => void) => (log('query'), setImmediate(resolve, 'cats')) };
  }

  @Get('subject')
  subject(): Observable<string> {
    const subject = new ReplaySubject<string>();
    subject.next('cat');
    setImmediate(() => subject.complete());
    return subject;
  }

  @Get('annotated/:id')
  @TraceTask()
  annotated(@Param('id', ParseIntPipe) id: number): string {
    return `${this.service.find()} ${id}`;
  }
}

const CATS = 'CatsController';

/** A region, with what is in it. */
const region = (name: string, ...lines: string[]): string[] => [`begin ${name}`, ...lines, `end ${name}`];
const handler = (method: string, ...lines: string[]): string[] =>
  region(`handler ${CATS}.${method}`, ...lines);
const logging = (...lines: string[]): string[] =>
  region('interceptor LoggingInterceptor', 'log at=before', ...lines);

/** What the pipes of a parameter do. */
const pipesOf = (parameter: string): string[] => [
  ...region('pipe ParseIntPipe'),
  ...region('pipe DoublingPipe', `log at=${parameter}`),
];

const ROWS: readonly (readonly [
  title: string,
  path: string,
  status: number,
  text: string,
  lines: string[],
])[] = [
  ['a handler', 'plain', 200, 'cat', handler('plain', 'log at=handler')],
  ['an inherited handler, by the class of its controller', 'inherited', 200, 'cats', handler('inherited')],
  [
    'guards, synchronous and asynchronous, objects, mixins and proxies',
    'guards',
    200,
    'cat',
    [
      ...region('guard AuthGuard', 'log at=guard'),
      ...region('guard TokenGuard', 'log at=token'),
      ...region('guard (anonymous)'),
      ...region('guard RoleGuard'),
      ...region('guard AuthGuard', 'log at=guard'),
      ...handler('guards'),
    ],
  ],
  [
    'guards up to the one that refuses',
    'refused',
    403,
    'Forbidden resource',
    [...region('guard AuthGuard', 'log at=guard'), ...region('guard RefusingGuard')],
  ],
  [
    'pipes and then the handler',
    'pipes/2',
    200,
    'cat 4',
    [...pipesOf('id'), ...handler('pipes', 'log at=handler', 'log at=later')],
  ],
  ['a pipe that throws, and no handler', 'pipes/x', 400, 'Validation failed', region('pipe ParseIntPipe')],
  [
    'a handler whose parameters have no pipes',
    'without-pipes/2',
    200,
    'cat 2',
    handler('withoutPipes', 'log at=handler'),
  ],
  [
    'interceptors around each other and the handler',
    'interceptors',
    200,
    'cat',
    // `map` of the outer one runs before the inner one completes
    logging(
      ...region('interceptor LaterInterceptor', ...handler('interceptors', 'log at=handler'), 'log at=after'),
    ),
  ],
  [
    'a handler until its observable completes',
    'observable',
    200,
    'cat',
    logging(...handler('observable', 'log at=handler', 'log at=after')),
  ],
  ['a handler whose function has no name', 'renamed', 200, 'cat', handler('renamed')],
  ['no handler that is frozen, and runs it', 'frozen', 200, 'cat', []],
  ['a handler until its query is done', 'query', 200, 'cats', handler('query', 'log at=query')],
  ['a handler until its subject completes', 'subject', 200, 'cat', handler('subject')],
  [
    'a handler that throws, and its interceptors',
    'throws',
    500,
    'Internal server error',
    logging(...handler('throws')),
  ],
  [
    'a handler, its task and the regions below',
    'annotated/1',
    200,
    'cat 1',
    [
      ...region('pipe ParseIntPipe'),
      ...handler(
        'annotated',
        ...region(
          `task ${CATS}.annotated`,
          `begin CatsService.find in ${CATS}.annotated`,
          `log at=find in ${CATS}.annotated`,
          'end CatsService.find',
        ),
      ),
    ],
  ],
];

describe.each(ADAPTERS)('the trace of a request on %s', (adapter) => {
  let url: string;
  let controller: CatsController;
  let trace: MadeUpTrace;
  let restore: () => void;

  beforeAll(async () => {
    const { app, url: base } = await startApp(adapter, { controllers: [CatsController], pprof: false });
    url = `${base}/cats`;
    controller = app.get(CatsController);
  });
  afterAll(closeApps);
  beforeEach(() => {
    trace = startMadeUpTrace();
    restore = nestRegions();
  });
  afterEach(() => {
    stopMadeUpTrace();
    restore();
  });

  it.each(ROWS)('has %s', async (_, path, status, text, lines) => {
    const answer = await request(`${url}/${path}`);
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(text);
    expect(trace.lines).toEqual(lines);
  });

  it('has what the observable of a handler does in the region of that', async () => {
    await request(`${url}/observable`);
    expect(trace.regions.get('handler')).toBe(`handler ${CATS}.observable`);
  });

  it('has pipes of several parameters side by side', async () => {
    expect((await request(`${url}/parallel?a=1&b=2`)).text).toBe('cats 6');
    const pipes = trace.lines.slice(0, -3);
    expect(pipes.slice(0, 2)).toEqual(['begin pipe ParseIntPipe', 'begin pipe ParseIntPipe']);
    expect(pipes.toSorted()).toEqual([...pipesOf('a'), ...pipesOf('b')].toSorted());
    expect(trace.lines.slice(-3)).toEqual(handler('parallel', 'log at=handler'));
  });

  it('has a stream of events until the client goes away', async () => {
    const unsubscribed = new Promise<void>((resolve) => (controller.unsubscribed = resolve));
    const gone = new AbortController();
    const answer = request(`${url}/events`, { signal: gone.signal });
    await until(
      () => new Promise((resolve) => setImmediate(resolve)),
      () => (trace.lines.includes('log at=after') ? [] : ['an event']),
    );
    gone.abort();
    await expect(answer).rejects.toThrow('aborted');
    await unsubscribed;
    expect(trace.lines).toEqual(logging(...handler('events', 'log at=after')));
  });

  it('has nothing of Nest when the trace is over', async () => {
    stopMadeUpTrace();
    expect((await request(`${url}/guards`)).text).toBe('cat');
    expect(trace.lines).toEqual([]);
  });
});

@Controller()
class MessagesController {
  @MessagePattern('greet')
  @UseGuards(AuthGuard)
  greet(@Payload(DoublingPipe) count: number): Observable<string> {
    log('handler');
    return of('cat').pipe(repeat(count));
  }
}

/** A transport that has no network. */
class DirectServer extends Server {
  listen(callback: () => void): void {
    callback();
  }
  close(): void {}
  on(): void {}
  unwrap<T>(): T {
    return undefined as T;
  }
}

describe('the trace of a message', () => {
  afterEach(closeApps);
  afterEach(stopMadeUpTrace);

  it('has guards, pipes and the handler', async () => {
    const strategy = new DirectServer();
    await startApp('express', {
      controllers: [MessagesController],
      pprof: false,
      configure: (app) => app.connectMicroservice({ strategy }) && app.startAllMicroservices(),
    });
    const { lines } = startMadeUpTrace();
    const restore = nestRegions();
    const reply = (await strategy.getHandlerByPattern('greet')!(1)) as Observable<string>;
    expect(await lastValueFrom(reply.pipe(toArray()))).toEqual(['cat', 'cat']);
    restore();
    expect(lines).toEqual([
      ...region('guard AuthGuard', 'log at=guard'),
      ...region('pipe DoublingPipe', 'log at=undefined'),
      ...region('handler MessagesController.greet', 'log at=handler'),
    ]);
  });
});

describe('the trace of a function that Nest runs for others, such as GraphQL', () => {
  afterEach(closeApps);
  afterEach(stopMadeUpTrace);

  it('has the function by its own name if it is no method', async () => {
    const { app } = await startApp('express', { pprof: false });
    const resolve = app.get(ExternalContextCreator).create({}, function cats() {}, 'cats');
    const { lines } = startMadeUpTrace();
    const restore = nestRegions();
    await resolve();
    restore();
    expect(lines).toEqual(region('handler (anonymous).cats'));
  });
});

describe('the regions of Nest', () => {
  let url: string;
  beforeAll(async () => {
    url = `${(await startApp('express', { controllers: [CatsController], pprof: false })).url}/cats`;
  });
  afterAll(closeApps);
  afterEach(stopMadeUpTrace);

  it('are there once, however many want them, and leave all as it was', async () => {
    const before = replaceable();
    const { lines } = startMadeUpTrace();
    const restores = [nestRegions(), nestRegions()];
    await request(`${url}/plain`);
    restores[0]!();
    await request(`${url}/plain`);
    expect(lines).toEqual([...handler('plain', 'log at=handler'), ...handler('plain', 'log at=handler')]);
    restores[1]!();
    expect(replaceable()).toEqual(before);
  });

  it('leave what others have replaced meanwhile, and are not there twice with the next trace', async () => {
    const { prototype } = GuardsConsumer;
    const original = prototype.tryActivate;
    const { lines } = startMadeUpTrace();
    let restore = nestRegions();
    const ours = prototype.tryActivate;
    const others: typeof original = function (this: GuardsConsumer, ...args) {
      return ours.apply(this, args);
    };
    prototype.tryActivate = others;
    restore();
    expect(prototype.tryActivate).toBe(others);
    restore = nestRegions();
    await request(`${url}/refused`);
    restore();
    prototype.tryActivate = original;
    expect(lines).toEqual(ROWS.find(([, path]) => path === 'refused')![4]);
  });
});

/** Own properties of all that may be replaced. */
function replaceable(): unknown[] {
  const consumers = [GuardsConsumer, PipesConsumer, InterceptorsConsumer];
  const methods = Object.values(Object.getOwnPropertyDescriptors(CatsController.prototype));
  const objects = [
    ...consumers.map(({ prototype }) => prototype),
    ...methods.map(({ value }) => value as object),
  ];
  return objects.map((object) => Object.getOwnPropertyDescriptors(object));
}
