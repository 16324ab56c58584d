import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { TraceEvent, TraceFrame } from '../src/format/trace/events.js';
import { goTraceWriter } from '../src/format/trace/writer.js';
import { describeGoTrace, GoTraceTool, type Group, PAGES } from './support/go-trace-tool.js';
import { anyEvents, frame, PROCESS, written } from './support/trace-events.js';

const MS = 1e6;
const REQUESTS = 20;
/** Traces of events that contradict each other. */
const RANDOM_TRACES = Number(process.env.RANDOM_TRACES ?? 8);

const findAll = frame('CatsController.findAll', 'file:///app/cats.controller.js', 12);
const query: readonly TraceFrame[] = [frame('CatsService.query', 'file:///app/cats.service.js', 30), findAll];
const sleep: readonly TraceFrame[] = [frame('CatsService.pause', 'file:///app/cats.service.js', 40), findAll];
const read: readonly TraceFrame[] = [frame('CatsService.read', 'file:///app/cats.service.js', 50), findAll];
const lock: readonly TraceFrame[] = [frame('CatsService.lock', 'file:///app/cats.service.js', 60), findAll];

/** Computes for 20 ms in all; waits 50 on a socket, 30 on a timer, 10 for a file and 5 for a promise. */
function request(id: number, at: number): TraceEvent[] {
  const execution = id + 1;
  const thread = PROCESS.mainThread;
  const run = (ms: number): TraceEvent => ({ type: 'run', at: at + ms * MS, thread, execution });
  return [
    { type: 'execution', at, execution, name: 'GET /cats', start: findAll },
    run(0),
    { type: 'task-begin', at, execution, task: id, name: 'GET /cats' },
    { type: 'region-begin', at, execution, region: 2 * id, task: id, name: 'guard CatsGuard' },
    { type: 'region-end', at: at + 2 * MS, execution, region: 2 * id },
    { type: 'region-begin', at: at + 2 * MS, execution, region: 2 * id + 1, task: id, name: 'handler' },
    { type: 'wait', at: at + 4 * MS, execution, cause: 'network', stack: query },
    run(54),
    { type: 'wait', at: at + 58 * MS, execution, cause: 'timer', stack: sleep },
    run(88),
    { type: 'wait', at: at + 92 * MS, execution, cause: 'file', stack: read },
    run(102),
    { type: 'wait', at: at + 106 * MS, execution, cause: 'promise', stack: lock },
    run(111),
    { type: 'region-end', at: at + 114 * MS, execution, region: 2 * id + 1 },
    { type: 'log', at: at + 115 * MS, execution, task: id, key: 'status', text: '200' },
    { type: 'task-end', at: at + 115 * MS, execution, task: id },
    { type: 'end', at: at + 115 * MS, execution },
  ];
}

const workload: TraceEvent[] = [
  ...Array.from({ length: REQUESTS }, (_, i) => request(i + 1, i * 200 * MS)).flat(),
  { type: 'collection', at: 1 * MS, until: 2 * MS, thread: PROCESS.mainThread, kind: 'mark-compact' },
  { type: 'heap', at: 3 * MS, thread: PROCESS.mainThread, used: 40e6, goal: 80e6 },
  { type: 'sample', at: 3 * MS, thread: PROCESS.mainThread, execution: 2, stack: [findAll] },
];

/** What each request does, in ms. */
const DOES = { total: 115, running: 20, network: 50, sleep: 30, syscall: 10, sync: 5, runnable: 0 };

/** Go 1.19 shows whole ms, rounded down. */
function expectNear(
  times: Readonly<Record<string, number>>,
  expected: Readonly<Record<string, number>>,
): void {
  const near = Object.entries(times).map(([what, ms]) => [
    what,
    Math.abs(ms - expected[what]!) < 1.1 ? expected[what] : ms,
  ]);
  expect(Object.fromEntries(near)).toEqual(expected);
}

function named(name: string, groups: readonly Group[]): Group {
  expect(groups.map((group) => group.name)).toContain(name);
  return groups.find((group) => group.name === name)!;
}

describeGoTrace('go tool trace', (go) => {
  let tool: GoTraceTool;
  beforeAll(async () => {
    tool = await GoTraceTool.open(go, written(goTraceWriter, workload));
  });
  afterAll(() => tool.close());

  it('groups requests by their handler, and tells what they did', async () => {
    const group = named('CatsController.findAll', await tool.goroutines());

    expect(group.count).toBe(REQUESTS);
    for (const times of await tool.times(group)) {
      expectNear({ ...times }, DOES);
    }
  });

  it('shows a task for each request, and its regions', async () => {
    const tasks = named('GET /cats', await tool.tasks());
    const regions = await tool.regions();

    expect(tasks.count).toBe(REQUESTS);
    const lasted = await tool.durations(tasks);
    expect(lasted).toHaveLength(REQUESTS);
    for (const task of lasted) expectNear({ task }, { task: 115 });
    for (const [name, lasts] of Object.entries({ 'guard CatsGuard': 2, handler: 112 })) {
      const group = named(name, regions);
      const totals = (await tool.times(group)).map(({ total }) => total);
      expect(totals).toHaveLength(REQUESTS);
      for (const total of totals) expectNear({ [name]: total }, { [name]: lasts });
    }
  });

  it.each([
    ['net', 'CatsService.query', 50],
    ['sync', 'CatsService.lock', 5],
    ['syscall', 'CatsService.read', 10],
  ] as const)('has a profile of waits: %s', async (kind, leaf, ms) => {
    const profile = await tool.profile(kind);

    expect(profile.total('contentions')).toBe(REQUESTS);
    expect(profile.cumulative('delay', 'CatsController.findAll') / MS).toBeCloseTo(REQUESTS * ms, 1);
    expect(profile.flat('delay', leaf)).toBe(profile.total('delay'));
  });

  it('has a profile of those that wait for the thread', async () => {
    expect((await tool.profile('sched')).cumulative('contentions', '(network)')).toBe(REQUESTS);
  });

  it('takes whatever events come, in whatever order', async () => {
    for (const events of [[], ...fc.sample(anyEvents, RANDOM_TRACES)]) {
      const said = await complaint(go, events);
      expect({ events: said && JSON.stringify(events), said }).toEqual({
        events: undefined,
        said: undefined,
      });
    }
  });
});

/** What Go says of a trace, or of a page of it, if it cannot show it. */
async function complaint(go: string, events: readonly TraceEvent[]): Promise<string | undefined> {
  let tool: GoTraceTool | undefined;
  try {
    tool = await GoTraceTool.open(go, written(goTraceWriter, events));
    for (const page of PAGES) await tool.page(page);
    for (const group of await tool.goroutines()) await tool.times(group);
    for (const group of await tool.tasks()) await tool.durations(group);
    for (const group of await tool.regions()) await tool.times(group);
    return undefined;
  } catch (error) {
    return `${error}`;
  } finally {
    await tool?.close();
  }
}
