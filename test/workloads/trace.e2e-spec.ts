import { get } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/app.js';
import { type GoAnnotation, type Goroutine, type GoTrace, readGoTrace } from '../support/go-trace.js';
import { describeGoTrace, gos, GoTraceTool } from '../support/go-trace-tool.js';
import { request } from '../support/http.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { buildTypeScript } from '../support/typescript.js';
import { until } from '../support/until.js';

const FIND = 'CatsController.findOne';
const FIND_TASK = 'GET /cats/:id';
const TIMES = 8;
/** Between two pieces of a trace, about. */
const EVERY_MS = 100;
const CHAOTIC_TRACES = Number(process.env.RANDOM_TRACES ?? 5);

let main: string;
beforeAll(async () => {
  main = await buildTypeScript('tracing-esm');
}, 60_000);
afterAll(() => TestProcess.stopAll());

/** What happened while it was traced, and the trace. */
async function traced(app: Workload, seconds: number, work: () => Promise<unknown>): Promise<Buffer> {
  const answer = request({ base: app.url, path: `/debug/pprof/trace?seconds=${seconds}` });
  await untilEnabled(app, true);
  await work();
  const { status, body } = await answer;
  expect(status).toBe(200);
  return body;
}

async function untilEnabled(app: Workload, isEnabled: boolean): Promise<void> {
  await until(
    () => app.post<{ isEnabled: boolean }>('open'),
    (open) => open.isEnabled === isEnabled,
  );
}

async function visit(app: Workload, path: string): Promise<string> {
  const answer = await fetch(`${app.url}/${path}`);
  expect(answer.status).toBe(200);
  return answer.text();
}

const count = (all: readonly string[], one: string): number => all.filter((each) => each === one).length;
const ms = (nanos: number): number => nanos / 1e6;
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function named(trace: GoTrace, name: string): Goroutine[] {
  return trace.goroutines.filter((one) => one.name === name);
}

/** The time that goroutines waited for something, in ms. */
function waited(goroutines: readonly Goroutine[], cause: string): number {
  return ms(total(goroutines.map(({ waits }) => waits[cause]?.total ?? 0)));
}

function lengths(annotations: readonly GoAnnotation[], name: string): number[] {
  return annotations
    .filter((one) => one.name === name)
    .map(({ begin, end }) => ms((end ?? Number.NaN) - begin));
}

/** How far it is off, as a share of what it may be: a twentieth, and a ms for each, and `late` ms. */
function error(actual: number, expected: number, count: number, late = 0): number {
  return Math.abs(actual - expected) / (expected * 0.05 + count + late);
}

/** How long goroutines could have gone on, and something else did, in ms: the service takes that for waiting. */
function waitedForTheirTurn(goroutines: readonly Goroutine[]): number {
  return ms(total(goroutines.map(({ runnable }) => runnable)));
}

describe.each(ADAPTERS)('trace on %s', (ADAPTER) => {
  let app: Workload;
  beforeAll(async () => {
    // --no-use-osr: V8's profiler does not know code that was optimized in the midst of a loop before it began.
    app = await startWorkload(main, { env: { ADAPTER, SAMPLER: 'inspector' }, flags: ['--no-use-osr'] });
    await visit(app, 'cats/0');
  });
  beforeEach(() => app.post('measured'));

  describe('of requests that wait for known times', () => {
    let bytes: Buffer;
    let trace: GoTrace;
    let measured: Record<string, number[]>;
    beforeAll(async () => {
      await app.post('measured');
      bytes = await traced(app, 3, async () => {
        for (let i = 0; i < TIMES; i++) await visit(app, `cats/${i}`);
      });
      trace = readGoTrace(bytes);
      measured = await app.post<typeof measured>('measured');
    });

    it('has a goroutine for each, with what it waited for and how long it ran', () => {
      const requests = named(trace, FIND);
      expect(requests).toHaveLength(TIMES);
      const late = waitedForTheirTurn(requests);
      const { socket, timer, compute } = measured;
      expect(error(waited(requests, 'GoBlockNet'), total(socket!), TIMES, late)).toBeLessThan(1);
      // The guard waits for 5 ms, too.
      const slept = total(timer!) + 5 * TIMES;
      expect(error(waited(requests, 'GoSleep'), slept, 2 * TIMES, late)).toBeLessThan(1);
      const running = requests.map((one) => ms(one.running));
      expect(total(running)).toBeGreaterThan(total(compute!) * 0.99);
      // Nest's own part is long at first, and whenever the machine runs something else.
      expect(Math.min(...running)).toBeLessThan(Math.min(...compute!) * 1.05 + 10);
      for (const one of requests) expect(one.ended).toBeDefined();
    });

    it('has a task for each, named by the route, and its status', () => {
      const tasks = trace.tasks.filter(({ name }) => name === FIND_TASK);
      expect(tasks).toHaveLength(TIMES);
      for (const { end } of tasks) expect(end).toBeDefined();
      const said = trace.logs.filter(({ task }) => task > 0).map(({ key, text }) => `${key} ${text}`);
      expect(said.filter((text) => text === 'status 200').length).toBeGreaterThanOrEqual(TIMES);
      expect(said.filter((text) => text === `route ${FIND_TASK}`)).toHaveLength(TIMES);
    });

    it('has regions for guard, interceptor, pipe and handler, as long as they took', () => {
      expect(lengths(trace.regions, 'guard CatsGuard')).toHaveLength(TIMES);
      expect(lengths(trace.regions, 'pipe ParseIntPipe')).toHaveLength(TIMES);
      expect(
        error(total(lengths(trace.regions, `handler ${FIND}`)), total(measured.handler!), TIMES),
      ).toBeLessThan(1);
      const interceptors = lengths(trace.regions, 'interceptor CatsInterceptor');
      expect(interceptors).toHaveLength(TIMES);
      expect(error(total(interceptors), total(measured.interceptor!), TIMES)).toBeLessThan(1);
      for (const guard of lengths(trace.regions, 'guard CatsGuard')) expect(guard).toBeGreaterThan(4);
    });

    it('says where they waited', () => {
      const { id } = named(trace, FIND)[0]!;
      const places = trace.events
        .filter(({ type, g }) => g === id && ['GoBlockNet', 'GoSleep'].includes(type))
        .map(({ stack }) =>
          stack.map(({ functionName, file }) => `${functionName} ${file.split('/').pop()}`),
        );
      const flat = places.flat();
      expect(flat.join('\n')).toMatch(/ask cats\.ts/);
      expect(flat.join('\n')).toMatch(/cats\.ts/);
    });

    it('has its threads, the heap, and samples of the CPU', () => {
      expect([...trace.threads.values()]).toEqual([app.process.pid]);
      const samples = trace.events.filter(({ type }) => type === 'CPUSample');
      const computing = samples.filter(({ stack }) =>
        stack.some(({ functionName }) => functionName === 'compute'),
      );
      // 100 Hz
      expect(computing.length * 10).toBeGreaterThan(total(measured.compute!) * 0.4); // V8 takes none while others have the CPU
      expect(computing.length * 10).toBeLessThan(total(measured.compute!) * 1.3 + 20);
    });

    describeGoTrace('go tool trace', (go) => {
      it('shows the same', async () => {
        const tool = await GoTraceTool.open(go, bytes);
        try {
          const group = (await tool.goroutines()).find(({ name }) => name === FIND)!;
          expect(group.count).toBe(TIMES);
          const times = await tool.times(group);
          const late = waitedForTheirTurn(named(trace, FIND));
          expect(
            error(total(times.map(({ network }) => network)), total(measured.socket!), TIMES, late),
          ).toBeLessThan(1);
          const tasks = (await tool.tasks()).find(({ name }) => name === FIND_TASK)!;
          expect(tasks.count).toBe(TIMES);
          const regions = (await tool.regions()).filter(({ name }) => name.startsWith('handler '));
          expect(regions.map(({ count }) => count)).toContain(TIMES);
          const net = await tool.profile('net');
          expect(error(net.cumulative('delay', 'ask') / 1e6, total(measured.socket!), TIMES)).toBeLessThan(1);
        } finally {
          await tool.close();
        }
      });
    });
  });

  it('tells what waits for the thread pool', async () => {
    const trace = readGoTrace(await traced(app, 2, () => visit(app, 'cats/1/password?rounds=300000')));
    const { pool } = await app.post<Record<string, number[]>>('measured');
    const requests = named(trace, 'CatsController.password');
    const late = waitedForTheirTurn(requests);
    expect(error(waited(requests, 'GoSysCall'), total(pool!), 8, late)).toBeLessThan(1);
  });

  it('tells who ends a wait for a promise', async () => {
    const body = await traced(app, 2, async () => {
      const naps = [visit(app, 'cats/1/nap'), visit(app, 'cats/2/nap')];
      await until(
        () => app.post<{ waiting: number }>('waiting'),
        ({ waiting }) => waiting === 2,
      );
      await visit(app, 'cats/3/wake');
      await Promise.all(naps);
    });
    const trace = readGoTrace(body);
    const { promise } = await app.post<Record<string, number[]>>('measured');
    const naps = named(trace, 'CatsController.nap');
    expect(naps).toHaveLength(2);
    expect(error(waited(naps, 'GoBlockSync'), total(promise!), 8, waitedForTheirTurn(naps))).toBeLessThan(1);
    const [wake] = named(trace, 'CatsController.wake');
    const woken = (id: number): unknown[] =>
      trace.events.filter(({ type, g }) => type === 'GoUnblock' && g === id).map(({ args }) => args[0]);
    const [first, second] = naps;
    expect(woken(wake!.id)).toContain(first!.id);
    // Who goes on in the same turn of the event loop is taken for woken by who went on before.
    expect([...woken(wake!.id), ...woken(first!.id)]).toContain(second!.id);
  });

  it('has what the application says itself', async () => {
    const body = await traced(app, 1.5, async () => {
      await visit(app, 'kitchen/cappuccino');
      await visit(app, 'kitchen/cups');
      await visit(app, 'kitchen/by-hand');
    });
    const trace = readGoTrace(body);
    const measured = await app.post<Record<string, number[]>>('measured');

    const cappuccino = trace.tasks.find(({ name }) => name === 'make cappuccino')!;
    const parent = trace.tasks.find(({ name }) => name === 'GET /kitchen/cappuccino')!;
    expect(cappuccino.parent).toBe(parent.task);
    expect(cappuccino.end).toBeDefined();
    for (const name of ['steam milk', 'extract coffee']) {
      expect(error(total(lengths(trace.regions, name)), total(measured[name]!), 8)).toBeLessThan(1);
      expect(trace.regions.find((region) => region.name === name)!.task).toBe(cappuccino.task);
    }
    expect(lengths(trace.regions, 'Barista.pour')[0]).toBeGreaterThan(2.9);
    expect(lengths(trace.regions, 'count cups')).toHaveLength(1);
    expect(lengths(trace.regions, 'serve cups')[0]).toBeGreaterThan(5.5);
    expect(error(total(lengths(trace.tasks, 'wash up')), total(measured['wash up']!), 8)).toBeLessThan(1);
    const said = trace.logs.map(({ key, text, task }) => [key, text, task]);
    expect(said).toContainEqual(['order', 'Ada', cappuccino.task]);
    const washUp = trace.tasks.find(({ name }) => name === 'wash up')!;
    expect(said).toContainEqual(['plates', '7', washUp.task]);
  });

  it('has a goroutine for a chain of timers, that sleeps in between', async () => {
    let ticks = 0;
    const body = await traced(app, 1, async () => {
      await app.post('startTicking');
      await visit(app, 'cats/1');
      ({ ticks } = await app.post<{ ticks: number }>('stopTicking'));
    });
    const trace = readGoTrace(body);
    const chains = named(trace, 'tick');
    expect(chains.length).toBeGreaterThan(0);
    expect(ticks).toBeGreaterThan(2);
    const running = ms(total(chains.map((one) => one.running)));
    expect(running).toBeGreaterThan(2 * ticks);
  });

  it('of an idle service has nothing but the tracer, and the request for it', async () => {
    const trace = readGoTrace(
      (await request({ base: app.url, path: '/debug/pprof/trace?seconds=0.3' })).body,
    );
    expect(trace.tasks.map(({ name }) => name)).toEqual(['GET /debug/pprof/trace']);
    const names = ['(event loop)', '(execution tracer)', 'TraceController.trace'];
    expect(trace.goroutines.map(({ name }) => name).sort()).toEqual(names);
  });

  it('shows requests that hang, from before and from within', async () => {
    const hanging: AbortController[] = [];
    const hang = async (): Promise<void> => {
      const gone = new AbortController();
      hanging.push(gone);
      get(`${app.url}/cats/1/hang`, { signal: gone.signal }).once('error', () => {});
      await until(
        () => app.post<{ hanging: number }>('waiting'),
        (now) => now.hanging === hanging.length,
      );
    };
    await hang();
    const trace = readGoTrace(await traced(app, 0.5, hang));
    for (const gone of hanging) gone.abort();
    const tasks = trace.tasks.filter(({ name }) => name === 'GET /cats/:id/hang');
    expect(tasks).toHaveLength(2);
    expect(tasks.map(({ end }) => end)).toEqual([undefined, undefined]);
    for (const one of named(trace, 'CatsController.hang')) {
      expect(one.ended).toBeUndefined();
      expect(one.running).toBeLessThan(90e6);
    }
  });

  it('has a row for each worker thread', async () => {
    await app.post('startWorkers');
    try {
      const trace = readGoTrace(await traced(app, 0.3, () => visit(app, 'cats/1')));
      expect(trace.threads.size).toBe(3);
      expect(trace.threads.get(0)).toBe(app.process.pid);
    } finally {
      await app.post('stopWorkers');
    }
  });

  it('ends when its client leaves, and what has come is a trace', async () => {
    const gone = new AbortController();
    const chunks: Buffer[] = [];
    const closed = new Promise<void>((resolve) => {
      get(app.pprof('trace?seconds=30'), { signal: gone.signal }, (answer) => {
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
        answer.once('close', resolve);
      }).once('error', () => {});
    });
    await untilEnabled(app, true);
    await until(
      () => setTimeout(EVERY_MS),
      () => chunks.length > 0,
    );
    const [first] = chunks;
    expect(readGoTrace(first!).goroutines.map(({ name }) => name)).toContain('(event loop)');
    for (const go of gos) await (await GoTraceTool.open(go, first!)).close();
    await visit(app, 'cats/1');
    await until(
      () => setTimeout(EVERY_MS, Buffer.concat(chunks)),
      (come) =>
        come.includes(FIND) && named(readGoTrace(come), FIND).some(({ ended }) => ended !== undefined),
    );
    gone.abort();
    await closed;
    await untilEnabled(app, false);
    const come = readGoTrace(Buffer.concat(chunks));
    expect(come.tasks.filter(({ name }) => name === FIND_TASK)).toHaveLength(1);
    for (const go of gos) await (await GoTraceTool.open(go, Buffer.concat(chunks))).close();
    const again = readGoTrace(await traced(app, 0.5, () => visit(app, 'cats/1')));
    expect(named(again, FIND)).toHaveLength(1);
  });

  it('is one at a time, over HTTP and in code', async () => {
    expect(await app.post('busy')).toEqual({ message: 'execution tracer already enabled' });
    let second: string | undefined;
    await traced(app, 0.5, async () => {
      const answer = await fetch(app.pprof('trace'));
      expect([answer.status, answer.headers.get('x-go-pprof')]).toEqual([500, '1']);
      second = await answer.text();
    });
    expect(second).toBe('Could not enable tracing: execution tracer already enabled\n');
  });

  it('in code is written to any stream', async () => {
    const { trace: bytes, enabled } = await app.post<{ trace: string; enabled: boolean[] }>('inCode');
    expect(enabled).toEqual([false, true, false]);
    expect(named(readGoTrace(Buffer.from(bytes, 'base64')), FIND)).toHaveLength(1);
  });

  describeGoTrace('go tool trace', (go) => {
    it('reads it, whatever happens', async () => {
      for (let i = 0; i < CHAOTIC_TRACES; i++) {
        const bytes = Buffer.from((await app.post<{ trace: string }>('chaos')).trace, 'base64');
        expect(readGoTrace(bytes).goroutines.length).toBeGreaterThan(2);
        const tool = await GoTraceTool.open(go, bytes);
        await tool.close();
      }
    }, 600_000);
  });

  it('leaves nothing behind, a hundred times', async () => {
    const trace = (seconds: number): Promise<unknown> =>
      request({ base: app.url, path: `/debug/pprof/trace?seconds=${seconds}` });
    await trace(0.05);
    type Open = { resources: string[]; methods: string[]; isEnabled: boolean };
    const { resources, methods } = await app.post<Open>('open');
    for (let i = 0; i < 100; i++) await trace(0.01);
    await until(
      () => app.post<Open>('open'),
      (open) => open.resources.every((one) => count(open.resources, one) <= count(resources, one)),
    );
    expect(await app.post<Open>('open')).toMatchObject({ methods, isEnabled: false });
    expect(await app.post('isHooked')).toEqual({ is: false });
  }, 120_000);

  afterEach(() => untilEnabled(app, false));
});
