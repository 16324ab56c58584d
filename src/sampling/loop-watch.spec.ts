import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MadeUpSession } from '../../test/support/made-up-session.js';
import type { HoldShare, LoopWatch } from './sampler.js';

/** Functions in V8's order of nodes. */
const FUNCTIONS = ['(root)', 'parse', 'sort'];

/** All that V8 has sampled: nodes and times. */
let sampled: [node: number, micros: number][] = [];
MadeUpSession.v8.starts = () => {};
MadeUpSession.v8.micros = () => nowMicros();
MadeUpSession.v8.sampled = () => ({
  nodes: FUNCTIONS.map((functionName, i) => ({
    id: i + 1,
    callFrame: { functionName, scriptId: '7', url: '', lineNumber: 0, columnNumber: 0 },
    hitCount: 1,
    children: i === 0 ? [2, 3] : [],
  })),
  samples: sampled.map(([node]) => node),
  timeDeltas: sampled.map(([, micros], i) => micros - (sampled[i - 1]?.[1] ?? 0)),
});
/** Jest's made-up time. */
const nowMicros = () => jest.now() * 1000;

jest.unstable_mockModule('./inspector-session.js', () => ({
  InspectorSession: MadeUpSession,
  inspectorProblem: () => undefined,
}));
jest.unstable_mockModule('./thread-clock.js', () => ({
  openThreadClock: () => undefined,
  openSchedulerCounts: () => ({ read: () => ({ cpuNanos: heldMs * 1e6, delayedNanos: 0 }), close() {} }),
  processCpuNanos: () => 0,
}));

const { loopWatcher } = await import('./loop-watch.js');
const { insteadOfWarm, warmCpu, warmProfiler } = await import('./warm-profiler.js');
const { processState } = await import('./process-state.js');

/** How long the loop was held so far, in ms. */
let heldMs = 0;
const found: string[] = [];
const watches: LoopWatch[] = [];

function watching(thresholdMs: number, unnamed?: string): LoopWatch {
  const watch = loopWatcher(unnamed)({ hz: 100, pastSeconds: 0 }, (shares) =>
    found.push(shares.map(told).join(', ')),
  );
  watches.push(watch);
  watch.set(thresholdMs);
  return watch;
}

const told = ({ stack, micros }: HoldShare): string => `${stack.at(-1)!.functionName} ${micros / 1000}`;

beforeEach(() => {
  jest.useFakeTimers({ now: 1000 });
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(nowMicros()) * 1000n);
  const nodeTiming = {
    get idleTime() {
      return jest.now() - heldMs;
    },
  };
  Object.defineProperty(performance, 'nodeTiming', { value: nodeTiming }); // of Jest's own performance
  [sampled, heldMs] = [[], 0];
});
afterEach(() => {
  for (const watch of watches.splice(0)) watch.set(0);
  for (let i = 0; i < 10; i++) jest.runOnlyPendingTimers();
  found.length = 0;
  jest.useRealTimers();
});

/** The loop waits: what is due runs. */
const wait = (ms: number): void => jest.advanceTimersByTime(ms);

/** A function holds the loop: nothing runs. */
function hold(name: string, ms: number): void {
  for (let i = 0; i < ms / 10; i++)
    sampled.push([FUNCTIONS.indexOf(name) + 1, nowMicros() + i * 10_000 + 5000]);
  heldMs += ms;
  jest.setSystemTime(jest.now() + ms);
}

function settled(watch: LoopWatch): string[] {
  const steps = watch.settle();
  while (!steps.next().done);
  return found;
}

describe('a watch of the event loop', () => {
  it('reports holds that are longer than the threshold, with what V8 sampled in them', () => {
    const watch = watching(50);
    wait(1000);
    hold('parse', 100);
    wait(200);
    hold('sort', 50);
    wait(200);
    hold('sort', 60);
    wait(100);
    expect(settled(watch)).toEqual(['parse 100', 'sort 60']);
    expect(settled(watch)).toHaveLength(2);
  });

  it('reports a hold when V8 has handed out its samples, without being asked', () => {
    watching(50);
    wait(9500);
    hold('parse', 100);
    wait(200);
    expect(found).toEqual([]);
    wait(400);
    expect(found).toEqual(['parse 100']);
  });

  it('reports a hold whose segment has ended before the beat came', () => {
    const watch = watching(50);
    wait(9990);
    hold('parse', 100);
    wait(30);
    expect(settled(watch)).toEqual(['parse 100']);
  });

  it('has V8 hand out a segment two sampling intervals after its end, when it has the last samples', () => {
    watching(50);
    wait(10_000);
    const [session] = MadeUpSession.connected;
    expect(session!.open.size).toBe(2);
    wait(19);
    expect(session!.open.size).toBe(2);
    wait(2); // from the next turn of the loop on
    expect(session!.open.size).toBe(1);
  });

  it('reports holds of the threshold that was set when they were', () => {
    const watch = watching(50);
    wait(100);
    hold('parse', 60);
    wait(100);
    watch.set(500);
    hold('sort', 60);
    wait(100);
    expect(settled(watch)).toEqual(['parse 60']);
    expect(MadeUpSession.connected.size).toBe(1);
  });

  it('reports what it has found when it is off, and nothing from then on', () => {
    const watch = watching(50);
    wait(100);
    hold('parse', 100);
    wait(50);
    watch.set(0);
    hold('sort', 100);
    wait(100);
    expect(settled(watch)).toEqual(['parse 100']);
    expect(MadeUpSession.connected.size).toBe(0);
  });

  it('frees everything when it is switched off', () => {
    const watch = watching(50);
    for (const ms of [1000, 9000, 100]) {
      wait(ms);
      hold('parse', 100);
    }
    watch.set(0);
    wait(100); // what was to be done in the next turns of the loop
    const { members, always, profiler, watchers } = processState().warm;
    expect([members, always, profiler, watchers.size]).toEqual([0, [], undefined, 0]);
    expect(MadeUpSession.connected.size).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not disturb a capture at the same rate, which has all of it', () => {
    const watch = watching(50);
    wait(1000);
    const recording = warmCpu.start(100);
    wait(1000);
    hold('parse', 100);
    wait(100);
    expect(settled(watch)).toEqual(['parse 100']);
    wait(1000);
    const steps = recording.stop();
    let step = steps.next();
    while (!step.done) step = steps.next();
    expect(step.value.durationNanos).toBe(2.2e9);
    expect(recording.runningSince).toEqual(new Date(1000));
  });

  it('does not know what holds the loop while another profiler runs', () => {
    const watch = watching(50);
    wait(1000);
    const other = insteadOfWarm({ name: 'pprof', start: () => ({ stop: () => [] as never }) }).start(100);
    wait(1000);
    hold('parse', 100);
    wait(1000);
    other.stop();
    hold('sort', 100);
    wait(1000);
    expect(settled(watch)).toEqual(['(unknown) 100', 'sort 100']);
  });

  it.each([
    [100, true],
    [1000, false],
  ])('that begins after a capture at %d Hz uses its profiler: %p', (hz, isSame) => {
    const application = warmProfiler.join(); // for which the profiler of a capture stays warm
    warmCpu.start(hz).stop();
    const [session] = MadeUpSession.connected;
    watching(50);
    expect([...MadeUpSession.connected].map((other) => other === session)).toEqual([isSame]);
    application.leave();
  });

  it('without a profiler reports holds without names, and why', () => {
    const watch = watching(50, 'no inspector');
    expect(watch.unnamed).toBe('no inspector');
    wait(1000);
    hold('parse', 100);
    wait(100);
    expect(found).toEqual(['(unknown) 100']);
    expect(MadeUpSession.connected.size).toBe(0);
  });

  it('says why a profiler does not start, until it does', () => {
    const { starts } = MadeUpSession.v8;
    MadeUpSession.v8.starts = () => {
      throw new Error('no');
    };
    const watch = watching(50);
    MadeUpSession.v8.starts = starts;
    wait(1000);
    hold('parse', 100);
    wait(100);
    expect([watch.unnamed, found]).toEqual(['no', ['(unknown) 100']]);
    watch.set(60);
    expect(watch.unnamed).toBeUndefined();
  });
});
