import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MadeUpSession, sampledFrame } from '../../test/support/made-up-session.js';
import type { CpuRecording, CpuSamples, KeptProfiler, Sliced, WarmMember, WarmOptions } from './sampler.js';

const MINUTE = 60_000;

let starts = 0;
MadeUpSession.v8.starts = () => void starts++;
MadeUpSession.v8.micros = () => nowMicros();
/** One function, sampled once, in the middle of each profile. */
MadeUpSession.v8.sampled = () => ({
  nodes: [
    { id: 1, callFrame: sampledFrame('(root)'), hitCount: 0, children: [2] },
    { id: 2, callFrame: sampledFrame(`at ${(nowMicros() / 1e6).toFixed(2)}`), hitCount: 1 },
  ],
  samples: [2],
});
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

const { insteadOfWarm, warmCpu, warmProfiler } = await import('./warm-profiler.js');
const { processState } = await import('./process-state.js');

const members: WarmMember[] = [];
const join = (always?: WarmOptions): WarmMember => {
  const member = warmProfiler.join(always);
  members.push(member);
  return member;
};

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(nowMicros()) * 1000n);
  starts = 0;
});
afterEach(() => {
  for (const member of members.splice(0)) member.leave();
  jest.useRealTimers();
});

/** A capture of a second. */
function capture(hz = 100, isAfterGc = false): CpuRecording {
  const recording = warmCpu.start(hz, isAfterGc);
  jest.advanceTimersByTime(1000);
  recording.stop();
  return recording;
}

/** The sampling interval of each session, in microseconds. */
const intervals = () =>
  [...MadeUpSession.connected].flatMap(({ posted }) =>
    posted.flatMap((command) => /setSamplingInterval {"interval":(\d+)}/.exec(command)?.[1] ?? []),
  );

describe('a profiler that is warm after a capture', () => {
  beforeEach(() => void join());

  it('is not started by a module, but by its first capture, and not by the next one', () => {
    expect(starts).toBe(0);
    expect(capture().runningSince).toBeUndefined();
    expect(capture().runningSince).toEqual(new Date(0));
    expect(starts).toBe(1);
  });

  it('is started again two minutes after the last capture, and not before', () => {
    capture();
    jest.advanceTimersByTime(2 * MINUTE - 1);
    expect(capture().runningSince).toBeDefined();
    jest.advanceTimersByTime(2 * MINUTE);
    expect(MadeUpSession.connected.size).toBe(0);
    expect(capture().runningSince).toBeUndefined();
    expect(starts).toBe(2);
  });

  it('does not end while a capture runs, however long that takes', () => {
    capture();
    const long = warmCpu.start(100);
    jest.advanceTimersByTime(5 * MINUTE);
    expect(run(long.stop()).hits).toHaveLength((5 * MINUTE) / 250);
    expect(starts).toBe(1);
  });

  it('is started again at the rate of the last capture', () => {
    capture(100);
    expect(capture(1000).runningSince).toBeUndefined();
    expect(intervals()).toEqual(['1000']);
    expect(capture(1000).runningSince).toBeDefined();
  });

  it('is started again after a collection of garbage, which makes V8 know all code', () => {
    capture();
    expect(capture(100, true).runningSince).toBeUndefined();
    expect(starts).toBe(2);
    expect(MadeUpSession.connected.size).toBe(1);
  });

  it('has two profiles open at most for a moment, and one in between', () => {
    capture();
    const [session] = MadeUpSession.connected;
    for (let i = 0; i < 100; i++) {
      jest.advanceTimersByTime(1007); // the one before is ended in the next turn of the loop
      expect(session!.open.size).toBe(1);
    }
  });

  it('ends when the module is destroyed, or after the capture that is running then', () => {
    capture();
    const recording = warmCpu.start(100);
    members.pop()!.leave();
    expect(MadeUpSession.connected.size).toBe(1);
    recording.stop();
    expect(MadeUpSession.connected.size).toBe(0);
  });

  it('is shared by all modules until the last one is destroyed', () => {
    join();
    capture();
    members.pop()!.leave();
    expect(capture().runningSince).toBeDefined();
    members.pop()!.leave();
    expect(MadeUpSession.connected.size).toBe(0);
    expect(processState().warm).toMatchObject({ members: 0, always: [], profiler: undefined, isBusy: false });
    jest.advanceTimersByTime(MINUTE); // what was to be done in the next turns of the loop
    expect(jest.getTimerCount()).toBe(0);
  });

  it('frees everything if V8 does not start, and starts the next time', () => {
    const { starts: start } = MadeUpSession.v8;
    MadeUpSession.v8.starts = () => {
      throw new Error('no');
    };
    expect(() => warmCpu.start(100)).toThrow('no');
    MadeUpSession.v8.starts = start;
    expect(MadeUpSession.connected.size).toBe(0);
    expect(capture().runningSince).toBeUndefined();
  });
});

describe('a profiler that is kept warm', () => {
  const wanted = { hz: 100, pastSeconds: 0 };

  it('is started by the module, for as long as it is there', () => {
    const { kept } = join(wanted);
    expect(kept).toMatchObject({ ...wanted, since: new Date(0) });
    jest.advanceTimersByTime(60 * MINUTE);
    expect(capture().runningSince).toEqual(new Date(0));
    expect(capture(100, true).runningSince).toEqual(new Date(0)); // it knows all code
    expect(starts).toBe(1);
  });

  it('is stopped for a capture at another rate, which says so, and started again afterwards', () => {
    join(wanted);
    const other = warmCpu.start(1000);
    expect(intervals()).toEqual(['1000']); // V8 loses memory for each profiler that is started beside another one
    jest.advanceTimersByTime(1000);
    other.stop();
    expect(other.runningSince).toBeUndefined();
    expect(other.note).toBe('the warm profiler, which samples at 100 Hz, was stopped for this capture');
    expect(intervals()).toEqual(['10000']);
    expect(capture().runningSince).toEqual(new Date(1000));
  });

  it('is stopped for a capture by another sampler, and started again afterwards', () => {
    join(wanted);
    let sessions = 0;
    const start = () => {
      sessions = MadeUpSession.connected.size;
      return { stop: () => [] as never };
    };
    insteadOfWarm({ name: 'pprof', start }).start(100).stop();
    expect(sessions).toBe(0);
    expect(intervals()).toEqual(['10000']);
  });

  it('goes on if another sampler does not start', () => {
    join(wanted);
    const broken = { name: 'pprof' as const, start: () => JSON.parse('no') };
    expect(() => insteadOfWarm(broken).start(100)).toThrow(SyntaxError);
    expect(intervals()).toEqual(['10000']);
  });

  it('is started for a module that comes while a capture runs when that has ended, which has all of it', () => {
    join();
    const recording = warmCpu.start(100);
    jest.advanceTimersByTime(500);
    const { kept } = join({ hz: 50, pastSeconds: 10 });
    expect(kept).toMatchObject({ hz: 100, pastSeconds: 0 });
    jest.advanceTimersByTime(500);
    expect(run(recording.stop()).durationNanos).toBe(1e9);
    expect(members[1]!.kept).toMatchObject({ hz: 50, pastSeconds: 10 });
  });

  it('is that of the module that keeps most of the past', () => {
    const first = join(wanted);
    const second = join({ hz: 50, pastSeconds: 10 });
    const third = join({ hz: 20, pastSeconds: 5 });
    for (const { kept } of [first, second, third]) expect(kept).toMatchObject({ hz: 50, pastSeconds: 10 });
    expect(MadeUpSession.connected.size).toBe(1);
  });

  it('is kept until the last of the modules that want it has left', () => {
    join();
    const [first, second] = [join(wanted), join(wanted)];
    members.splice(1);
    first.leave();
    jest.advanceTimersByTime(2 * MINUTE);
    expect(second.kept).toMatchObject({ since: new Date(0) });
    second.leave();
    expect(members[0]!.kept).toBeUndefined();
  });

  it('is kept for two minutes when the modules that keep it have left, and others are there', () => {
    join();
    join(wanted).leave();
    members.pop();
    expect(members[0]!.kept).toBeUndefined();
    jest.advanceTimersByTime(2 * MINUTE);
    expect(MadeUpSession.connected.size).toBe(0);
  });
});

describe('the past of a profiler that is kept warm', () => {
  it('stays while the profiler is stopped for another one, and afterwards', () => {
    const { kept } = join({ hz: 100, pastSeconds: 60 });
    jest.advanceTimersByTime(3000);
    const other = warmCpu.start(1000);
    jest.advanceTimersByTime(1000);
    const functions = ['at 2.00', 'at 3.00'];
    expect(lengthOf(kept!, 60)).toMatchObject({ begin: 0, functions });
    other.stop();
    jest.advanceTimersByTime(500);
    expect(lengthOf(members[0]!.kept!, 60)).toMatchObject({ begin: 0, functions: [...functions, 'at 4.50'] });
  });

  it('is whole segments, from the first that ended in that time, and no more than was kept', () => {
    const { kept } = join({ hz: 100, pastSeconds: 5 });
    jest.advanceTimersByTime(20_500);
    expect(lengthOf(kept!, 2)).toEqual({
      begin: 18,
      nanos: 2.5e9,
      functions: ['at 20.00', 'at 20.50'],
    });
    jest.advanceTimersByTime(1000);
    expect(lengthOf(kept!, 60).begin).toBe(16);
  });

  it('goes on while a capture runs, whose segments are in it too', () => {
    const { kept } = join({ hz: 100, pastSeconds: 5 });
    jest.advanceTimersByTime(3000);
    capture();
    expect(lengthOf(kept!, 60)).toMatchObject({ begin: 0, nanos: 4e9 });
    expect(lengthOf(kept!, 60).functions).toContain('at 3.50');
  });

  it('can be read while a capture runs, which goes on', () => {
    const { kept } = join({ hz: 100, pastSeconds: 5 });
    const recording = warmCpu.start(100);
    jest.advanceTimersByTime(300);
    expect(lengthOf(kept!, 60).functions).toEqual(['at 0.00', 'at 0.25', 'at 0.30']);
    jest.advanceTimersByTime(200);
    expect(run(recording.stop()).tree.frames.map(({ functionName }) => functionName)).toEqual([
      'at 0.25',
      'at 0.30',
      'at 0.50',
    ]);
  });
});

describe('a recording', () => {
  beforeEach(() => void join());

  it('has the segments from its begin to its end, each of as long as 25 samples take', () => {
    capture();
    jest.advanceTimersByTime(700);
    const recording = warmCpu.start(100);
    jest.advanceTimersByTime(990);
    const { hits, durationNanos, tree } = run(recording.stop());
    expect(durationNanos).toBe(990e6);
    expect(tree.frames.map(({ functionName }) => functionName)).toEqual([
      'at 1.95',
      'at 2.20',
      'at 2.45',
      'at 2.69',
    ]);
    expect(hits).toEqual([1, 1, 1, 1]);
  });

  it.each([
    [1000, 100],
    [10, 2500],
  ])('at %d Hz has segments of %d ms', (hz, ms) => {
    const recording = warmCpu.start(hz);
    jest.advanceTimersByTime(3 * ms - 1);
    expect(run(recording.stop()).tree.frames.length).toBe(3);
  });

  it('goes on in a profiler that is started again if a console.profileEnd() of the application has ended it', () => {
    const recording = warmCpu.start(100);
    jest.advanceTimersByTime(600);
    const [session] = MadeUpSession.connected;
    session!.endProfile([...session!.open.keys()].at(-1)!);
    jest.advanceTimersByTime(400);
    expect(run(recording.stop()).tree.frames.map(({ functionName }) => functionName)).toEqual([
      'at 0.25',
      'at 0.50',
      'at 0.60',
      'at 0.85',
      'at 1.00',
    ]);
    expect(starts).toBe(2);
    expect(capture().runningSince).toEqual(new Date(600));
  });
});

/** What the profiler has of the last seconds: when it begins, how long it is, and what was sampled. */
function lengthOf(
  kept: KeptProfiler,
  seconds: number,
): { begin: number; nanos: number; functions: string[] } {
  const { begin, samples } = kept.recent(seconds);
  const { durationNanos: nanos, tree } = run(samples);
  const functions = tree.frames.map(({ functionName }) => functionName);
  return { begin: begin.getTime() / 1000, nanos, functions };
}

function run(samples: Sliced<CpuSamples>): CpuSamples {
  for (;;) {
    const step = samples.next();
    if (step.done) return step.value;
  }
}
