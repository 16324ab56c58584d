import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setTimeout as nodeTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import { ProfilerService, Tracer, TraceRegion, TraceTask } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import type { GoRegion } from '../support/go-trace-reader.js';
import { request } from '../support/http.js';
import { RecordedTrace, traceBytes } from '../support/recorded-trace.js';
import { type ReadTrace, readTraceEvents } from '../support/trace-event-reader.js';

/** A promise that others resolve. */
class Gate {
  open!: () => void;
  readonly opened = new Promise<void>((resolve) => (this.open = resolve));
}

/** Node's own timer: Jest's calls back through a function of its own. */
const sleep = (): Promise<void> => new Promise((resolve) => nodeTimeout(resolve, 1));

@Injectable()
class CatGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    await nextTurn();
    return true;
  }
}

@Injectable()
class CatInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle();
  }
}

@Injectable()
class CatsService {
  @TraceTask('feed')
  async feed(): Promise<void> {
    await this.open();
  }

  @TraceRegion()
  async open(): Promise<void> {
    await sleep();
  }
}

/** What a workload waits for. */
interface World {
  readonly silent: Server;
  /** By the last part of the path. */
  readonly gates: Map<string, Gate>;
}

let world: World;

function gate(name: string): Gate {
  const known = world.gates.get(name) ?? new Gate();
  world.gates.set(name, known);
  return known;
}

@Controller('cats')
@UseGuards(CatGuard)
@UseInterceptors(CatInterceptor)
class CatsController {
  constructor(
    private readonly tracer: Tracer,
    private readonly cats: CatsService,
  ) {}

  @Get('promise/:id')
  async onPromise(@Param('id') id: string): Promise<void> {
    await gate(id).opened;
  }

  @Get('old/:id')
  async old(@Param('id') id: string): Promise<void> {
    await gate(id).opened;
  }

  @Get('hanging/:id')
  async hanging(@Param('id') id: string): Promise<void> {
    await gate(id).opened;
  }

  @Get('aborted/:id')
  async aborted(@Param('id') id: string): Promise<void> {
    await gate(id).opened;
  }

  @Get('opener/:id')
  opener(@Param('id') id: string): void {
    gate(id).open();
  }

  @Get('timer/:id')
  async onTimer(): Promise<void> {
    await sleep();
  }

  @Get('file/:id')
  async onFile(): Promise<number> {
    return (await readFile(fileURLToPath(import.meta.url))).length;
  }

  @Get('socket/:id')
  async onSocket(): Promise<void> {
    const { port } = world.silent.address() as AddressInfo;
    await new Promise((resolve) => connect(port, '127.0.0.1').resume().once('close', resolve));
  }

  @Get('kept/:id')
  kept(@Param('id') id: string): string {
    return id;
  }

  @Get('pipelined/:id')
  pipelined(@Param('id') id: string): string {
    return id;
  }

  @Get('annotated')
  async annotated(): Promise<void> {
    const { tracer } = this;
    const outer = tracer.startRegion('outer');
    tracer.log('cats', 'of the request');
    const task = tracer.newTask('import');
    task.run(() => tracer.log('cats', 'of the task'));
    const inner = tracer.startRegion('inner');
    await sleep();
    inner.end();
    task.end();
    outer.end();
    await Promise.all([tracer.withRegion('left', sleep), tracer.withRegion('right', sleep)]);
    await this.cats.feed();
  }

  @Get(':id')
  findOne(@Param('id', ParseIntPipe) id: number): string {
    return `cat ${id}`;
  }
}

/** A job that no request started: a chain of timers. */
function backgroundJob(times: number, done: () => void): void {
  let left = times;
  const refill = (): void => {
    if (left-- === 0) done();
    else nodeTimeout(refill, 1);
  };
  nodeTimeout(refill, 1);
}

/** Reads replies until there are so many. */
async function pipelined(url: string, paths: readonly string[]): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += String(bytes)));
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: cats\r\n\r\n`).join(''));
  while (text.split('HTTP/1.1 200').length <= paths.length) await once(socket, 'data');
  socket.destroy();
}

async function onOneConnection(url: string, paths: readonly string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const path of paths) {
    const [response] = (await once(get(url + path, { agent }), 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
  }
  agent.destroy();
}

/** All that the tests look at happens in one trace. */
async function workload({ app, url }: TestApp, format: 'go' | 'json'): Promise<Buffer> {
  world.gates.clear();
  const send = (path: string, signal?: AbortSignal): Promise<unknown> =>
    request(`${url}/cats/${path}`, { signal });
  const inHandlers = async (count: number): Promise<void> => {
    const profiler = app.get(ProfilerService);
    while (profiler.requestsInFlight().filter(({ handler }) => handler).length !== count) await nextTurn();
  };
  const old = send('old/one');
  await inHandlers(1);
  const job = new Gate();
  backgroundJob(2, job.open);
  let hanging: Promise<unknown>;
  const bytes = await traceBytes(
    { app },
    async () => {
      await send('7');
      const waiting = Promise.all([send('promise/two'), send('timer/1'), send('file/1')]);
      await Promise.all([send('socket/1'), send('opener/two'), waiting]);
      await onOneConnection(`${url}/cats/kept/`, ['1', '2', '3']);
      await pipelined(url, ['/cats/pipelined/1', '/cats/pipelined/2']);
      await send('annotated');
      const client = new AbortController();
      const aborted = send('aborted/three', client.signal);
      hanging = send('hanging/four');
      await inHandlers(3);
      client.abort();
      await aborted.catch(() => {});
      await inHandlers(2);
      gate('one').open();
      await old;
      await job.opened;
    },
    { format },
  );
  gate('three').open();
  gate('four').open();
  await hanging!;
  return bytes;
}

/** A region's way down from the outermost one. */
function within(region: GoRegion, regions: readonly GoRegion[]): string[] {
  return regions
    .filter(({ begin, end }) => begin <= region.begin && end! >= region.end!)
    .map(({ name }) => name);
}

describe.each(ADAPTERS)('a trace of a service on %s', (adapter) => {
  let recorded: RecordedTrace;
  let json: ReadTrace;
  beforeAll(async () => {
    const silent = createServer((socket) => socket.end('bye')).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    world = { silent, gates: new Map() };
    const app = await startApp(adapter, {
      controllers: [CatsController],
      providers: [CatsService],
      pprof: { profileComments: ['service cats'] },
    });
    recorded = new RecordedTrace(await workload(app, 'go'));
    json = readTraceEvents(String(await workload(app, 'json')));
    await closeApps();
    await once(silent.close(), 'close');
  });
  afterAll(closeApps);

  /** The one request of a handler. */
  const requestOf = (route: string) => {
    const [task, ...others] = recorded.tasks(`GET ${route}`);
    expect(others).toEqual([]);
    return { task: task!, goroutine: recorded.trace.goroutines.get(task!.goroutine)! };
  };

  const regionNamed = (name: string): GoRegion => {
    const [region, ...others] = recorded.trace.regions.filter((one) => one.name === name);
    expect(others).toEqual([]);
    return region!;
  };

  it('has a request as a task that begins and ends, in a goroutine named by its handler', () => {
    const { task, goroutine } = requestOf('/cats/:id');
    expect(task).toMatchObject({ parent: 0, end: expect.any(Number) as unknown });
    expect(goroutine).toMatchObject({ name: 'CatsController.findOne', ended: expect.any(Number) as unknown });
    expect(recorded.logs(task.id)).toEqual({ route: '/cats/:id', status: '200' });
  });

  it('has regions of guard, interceptor, pipe and handler, nested as Nest calls them', () => {
    const { task } = requestOf('/cats/:id');
    const regions = recorded.regions(task.goroutine);
    expect(regions.map((region) => within(region, regions))).toEqual([
      ['guard CatGuard'],
      ['interceptor CatInterceptor'],
      ['interceptor CatInterceptor', 'pipe ParseIntPipe'],
      ['interceptor CatInterceptor', 'handler CatsController.findOne'],
    ]);
    expect(new Set(regions.map((region) => region.task))).toEqual(new Set([task.id]));
  });

  it.each([
    ['timer', 'onTimer', 'GoSleep'],
    ['promise', 'onPromise', 'GoBlockRecv'],
    ['file', 'onFile', 'GoSysBlock'],
    ['socket', 'onSocket', 'GoBlockNet'],
  ])('has requests at once that wait in their handlers for one thing each: a %s', (name, handler, wait) => {
    const { task } = requestOf(`/cats/${name}/:id`);
    const region = recorded
      .regions(task.goroutine)
      .find((one) => one.name === `handler CatsController.${handler}`)!;
    expect(new Set(recorded.waitsIn(region))).toEqual(new Set([wait]));
  });

  it('has who resolved the promise that a request waited for', () => {
    const { task } = requestOf('/cats/promise/:id');
    const opener = requestOf('/cats/opener/:id').task.goroutine;
    expect(recorded.wakers(task.goroutine)).toContain(opener);
    expect(recorded.wakers(requestOf('/cats/timer/:id').task.goroutine)).not.toContain(opener);
  });

  it('has a request that began before as a task that ends', () => {
    const { task, goroutine } = requestOf('/cats/old/:id');
    expect([task.end !== undefined, goroutine.name]).toEqual([true, 'CatsController.old']);
    expect(recorded.logs(task.id)).toEqual({ route: '/cats/old/:id', status: '200' });
  });

  it('has a request that hangs as a task without an end, with its name and its handler', () => {
    const { task, goroutine } = requestOf('/cats/hanging/:id');
    expect([task.end, goroutine.ended, goroutine.name]).toEqual([
      undefined,
      undefined,
      'CatsController.hanging',
    ]);
    expect(recorded.logs(task.id)).toEqual({});
  });

  it('has the end of a request whose client left, without a status', () => {
    const { task, goroutine } = requestOf('/cats/aborted/:id');
    expect([task.end !== undefined, goroutine.name]).toEqual([true, 'CatsController.aborted']);
    expect(recorded.logs(task.id)).toEqual({ route: '/cats/aborted/:id' });
  });

  it.each([
    ['kept alive', 'kept', 3],
    ['pipelined', 'pipelined', 2],
  ])('has each request on a connection that is %s as a task and a goroutine of its own', (_, name, count) => {
    const tasks = recorded.tasks(`GET /cats/${name}/:id`);
    expect(tasks).toHaveLength(count);
    expect(tasks.filter(({ end }) => end === undefined)).toEqual([]);
    expect(new Set(tasks.map(({ goroutine }) => goroutine)).size).toBe(count);
    for (const { id, goroutine } of tasks) {
      expect(recorded.regions(goroutine).map((region) => [region.name, region.task])).toEqual(
        ['guard CatGuard', 'interceptor CatInterceptor', `handler CatsController.${name}`].map((region) => [
          region,
          id,
        ]),
      );
      expect(recorded.trace.goroutines.get(goroutine)!.name).toBe(`CatsController.${name}`);
    }
  });

  it('has a job in the background as a goroutine named by its function as V8 names it, which sleeps', () => {
    const [job, ...others] = recorded.goroutines('Timeout.refill');
    expect(others).toEqual([]);
    expect(Object.keys(job!.waits)).toEqual(['GoSleep']);
    expect(job!.ended).toBeDefined();
    expect(recorded.trace.tasks.filter(({ goroutine }) => goroutine === job!.id)).toEqual([]);
  });

  it('has regions, tasks and logs of the application, in the request that makes them', () => {
    const { task } = requestOf('/cats/annotated');
    const [imported] = recorded.tasks('import');
    expect(imported).toMatchObject({ parent: task.id, goroutine: task.goroutine });
    expect(imported!.end).toBeDefined();
    expect([regionNamed('outer'), regionNamed('inner')]).toMatchObject([
      { task: task.id, goroutine: task.goroutine },
      { task: task.id, goroutine: task.goroutine },
    ]);
    expect(within(regionNamed('inner'), recorded.regions(task.goroutine)).slice(-2)).toEqual([
      'outer',
      'inner',
    ]);
    expect(recorded.logs(task.id)).toMatchObject({ cats: 'of the request', status: '200' });
    expect(recorded.logs(imported!.id)).toEqual({ cats: 'of the task' });
  });

  it('has parallel regions in goroutines of their own, for the same task', () => {
    const { task } = requestOf('/cats/annotated');
    const [left, right] = [regionNamed('left'), regionNamed('right')];
    expect([left.goroutine, left.task, right.task]).toEqual([task.goroutine, task.id, task.id]);
    expect(right.goroutine).not.toBe(left.goroutine);
    expect(recorded.trace.goroutines.get(right.goroutine)!.name).toBe('right');
    expect(recorded.waitsIn(right)).toEqual(['GoSleep']);
  });

  it('has methods with decorators as tasks and regions, each below the one around it', () => {
    const { task } = requestOf('/cats/annotated');
    const [feed] = recorded.tasks('feed');
    expect(feed).toMatchObject({ parent: task.id, end: expect.any(Number) as unknown });
    expect(regionNamed('CatsService.open')).toMatchObject({
      task: feed!.id,
      end: expect.any(Number) as unknown,
    });
  });

  it('has its comments as logs: what the user gives, the process, and why there are no CPU samples', () => {
    const comments = recorded.trace.logs.filter(({ key }) => key === 'comment').map(({ value }) => value);
    expect(comments).toEqual([
      'service cats',
      expect.stringContaining(process.version),
      expect.stringMatching(/^host .*, pid \d+$/),
      'no CPU samples: V8 is left alone',
    ]);
  });

  it('has the same in JSON', () => {
    const { trace } = recorded;
    const ofTracks = (category: string): string[] =>
      json.tracks.filter((track) => track.category === category).map(({ slices }) => slices[0]!.name);
    expect(ofTracks('task').toSorted()).toEqual(trace.tasks.map(({ name }) => name).toSorted());
    const slices = json.tracks.flatMap(({ slices }) => slices.slice(1).map(({ name }) => name));
    const regions = new Set(trace.regions.map(({ name }) => name));
    expect(slices.filter((name) => regions.has(name)).toSorted()).toEqual(
      trace.regions.map(({ name }) => name).toSorted(),
    );
    const logs = json.tracks.flatMap(({ instants }) =>
      instants.map(({ name, args }) => `${name}: ${args.value}`),
    );
    expect(logs.toSorted()).toEqual(trace.logs.map(({ key, value }) => `${key}: ${value}`).toSorted());
    expect(named(ofTracks('execution'))).toEqual(
      named([...trace.goroutines.values()].map(({ name }) => name)),
    );
  });
});

/** Executions that have names of ours. */
function named(names: readonly string[]): string[] {
  return names.filter((name) => /^(CatsController\.|Timeout\.refill|right)/.test(name)).toSorted();
}
