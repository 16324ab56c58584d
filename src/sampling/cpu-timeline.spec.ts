import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MadeUpSession, sampledFrame } from '../../test/support/made-up-session.js';
import type { Sliced, WarmMember } from './sampler.js';

/** The innermost functions that V8 samples in each profile, a millisecond apart. */
let executing: readonly string[];
/** How often it says that a line of each was hit, without which it does not tell the line. */
let lines: Readonly<Record<string, Readonly<Record<number, number>>>>;
let starts: number;

/** V8's first sample of a profile, in ms from its begin. */
const FIRST = 50;

MadeUpSession.v8.starts = () => void starts++;
MadeUpSession.v8.micros = () => nowMicros();
MadeUpSession.v8.sampled = (startTime) => {
  const names = [...new Set(executing)];
  return {
    nodes: [
      { id: 1, callFrame: sampledFrame('(root)'), hitCount: 0, children: [2] },
      { id: 2, callFrame: sampledFrame('main'), hitCount: 0, children: names.map((_, i) => i + 3) },
      ...names.map((name, i) => ({
        id: i + 3,
        callFrame: sampledFrame(name),
        hitCount: executing.filter((one) => one === name).length,
        positionTicks: Object.entries(lines[name] ?? {}).map(([line, ticks]) => ({
          line: Number(line),
          ticks,
        })),
      })),
    ],
    samples: executing.map((name) => names.indexOf(name) + 3),
    timeDeltas: executing.map((_, i) => (i === 0 ? startTime + FIRST * 1000 : 1000)),
  };
};
/** Jest's made-up time. */
const nowMicros = () => jest.now() * 1000;

jest.unstable_mockModule('./inspector-session.js', () => ({
  InspectorSession: MadeUpSession,
  inspectorProblem: () => undefined,
}));
jest.unstable_mockModule('./thread-clock.js', () => ({
  openThreadClock: () => undefined,
  processCpuNanos: () => 0,
}));

const { CpuTimeline } = await import('./cpu-timeline.js');
const { insteadOfWarm, warmCpu, warmProfiler } = await import('./warm-profiler.js');
const { nanosOfMicros } = await import('./trace-clock.js');
const { processState } = await import('./process-state.js');

let member: WarmMember;
let timeline: InstanceType<typeof CpuTimeline>;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(nowMicros()) * 1000n);
  starts = 0;
  executing = ['work'];
  lines = {};
  member = warmProfiler.join();
});
afterEach(() => {
  member.leave();
  jest.useRealTimers();
});

const begin = (hz = 100) => (timeline = new CpuTimeline({ hz, pastSeconds: 0 }, undefined));

function run<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** When samples were taken, in ms. */
const millis = (samples: readonly { readonly time: number }[]) =>
  samples.map(({ time }) => (time - nanosOfMicros(0)) / 1e6);
const taken = () => millis(run(timeline.take()));
const rest = () => millis(run(timeline.stop()));

describe('CpuTimeline', () => {
  it('starts the profiler if that does not run, and has samples when V8 has handed them out', () => {
    begin();
    expect(timeline.unsampled).toBeUndefined();
    jest.advanceTimersByTime(250);
    expect(taken()).toEqual([]);
    jest.advanceTimersByTime(250);
    expect(taken()).toEqual([50]);
    jest.advanceTimersByTime(60);
    expect(rest()).toEqual([300, 550]);
    expect(starts).toBe(1);
  });

  it('has what was sampled since its begin of a profiler that runs already', () => {
    warmCpu.start(100).stop();
    jest.advanceTimersByTime(60);
    executing = ['work', 'work'];
    begin();
    jest.advanceTimersByTime(40);
    expect(rest()).toEqual([]);
    begin();
    jest.advanceTimersByTime(1000);
    expect(rest()).toEqual([150, 151]);
    expect(starts).toBe(1);
  });

  it('has V8 hand out ten times a second at most, however often it is asked', () => {
    begin();
    let samples = 0;
    for (let ms = 0; ms < 1000; ms += 5) {
      samples += taken().length;
      jest.advanceTimersByTime(5);
    }
    expect(samples + rest().length).toBe(10);
  });

  it('drops what is idle, and has V8 itself', () => {
    executing = ['(idle)', '(program)', '(garbage collector)', '(idle)'];
    begin();
    jest.advanceTimersByTime(100);
    const samples = run(timeline.stop());
    expect(millis(samples)).toEqual([51, 52]);
    expect(samples.map(({ stack }) => stack.map(({ functionName }) => functionName))).toEqual([
      ['(program)', 'main'],
      ['(garbage collector)', 'main'],
    ]);
  });

  it('has the same list for the same stack, also of another profiler', () => {
    executing = ['work', 'other'];
    begin();
    jest.advanceTimersByTime(100);
    run(timeline.take());
    jest.advanceTimersByTime(100);
    const [work, other] = run(timeline.take()).map(({ stack }) => stack);
    processState().warm.profiler!.close();
    warmCpu.start(100).stop();
    jest.advanceTimersByTime(100);
    executing = ['other', 'work'];
    const later = run(timeline.stop()).slice(-2);
    expect(starts).toBe(2);
    expect(later[0]!.stack).toBe(other);
    expect(later[1]!.stack).toBe(work);
    expect(other).not.toBe(work);
  });

  it('has the executing line of the innermost function if V8 reports only one, otherwise its first line', () => {
    executing = ['one', 'one', 'two', 'two', 'none'];
    lines = { one: { 12: 2 }, two: { 12: 1, 13: 1 } };
    begin();
    jest.advanceTimersByTime(100);
    expect(run(timeline.stop()).map(({ stack }) => stack.map(({ line }) => line))).toEqual([
      [12, 10],
      [12, 10],
      [10, 10],
      [10, 10],
      [10, 10],
    ]);
  });

  it('goes on through captures at its rate, which have all that is theirs', () => {
    const before = warmCpu.start(100);
    jest.advanceTimersByTime(250);
    begin();
    jest.advanceTimersByTime(250);
    expect(run(before.stop()).durationNanos).toBe(500e6);
    jest.advanceTimersByTime(250);
    const after = warmCpu.start(100);
    jest.advanceTimersByTime(250);
    expect(rest()).toEqual([300, 550, 800]);
    jest.advanceTimersByTime(250);
    expect(run(after.stop()).durationNanos).toBe(500e6);
    expect(starts).toBe(1);
  });

  it('has no samples while the profiler is stopped for a capture by other means', () => {
    begin();
    jest.advanceTimersByTime(250);
    const other = insteadOfWarm({ name: 'pprof', start: () => ({ stop: () => [] as never }) }).start(100);
    jest.advanceTimersByTime(250);
    expect(taken()).toEqual([50]);
    other.stop();
    jest.advanceTimersByTime(250);
    expect(rest()).toEqual([550]);
  });

  it('leaves the profiler running for captures, as long as there is a module', () => {
    begin();
    rest();
    expect(MadeUpSession.connected.size).toBe(1);
    expect(processState().warm).toMatchObject({ always: [], watchers: new Set() });
    member.leave();
    expect(MadeUpSession.connected.size).toBe(0);
    member = warmProfiler.join();
  });

  it('says why there are no samples', () => {
    const cold = new CpuTimeline({ hz: 100, pastSeconds: 0 }, "the option warm is 'off'");
    expect(cold.unsampled).toBe("the option warm is 'off'");
    expect(run(cold.take())).toEqual([]);
    expect(run(cold.stop())).toEqual([]);
    const { starts: start } = MadeUpSession.v8;
    MadeUpSession.v8.starts = () => {
      throw new Error('no');
    };
    begin();
    MadeUpSession.v8.starts = start;
    expect(timeline.unsampled).toBe('no');
    expect(rest()).toEqual([]);
  });
});
