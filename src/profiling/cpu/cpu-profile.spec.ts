import type { Profiler } from 'node:inspector';
import { describe, expect, it, jest } from '@jest/globals';
import { DecodedProfile } from '../../../test/support/decoded-profile.js';
import { MadeUpSession } from '../../../test/support/made-up-session.js';

const MS = 1e6;

/** CPU time that V8 takes here to start and to stop, and that the code takes in between; all of one thread. */
const STARTS = 30 * MS;
const STOPS = 50 * MS;
const WORKS = 20 * MS;

let cpuNanos = 0;
/** What the clock of V8's time stamps shows; only the tests move it on. */
let micros = 1000;
let v8: Pick<Profiler.Profile, 'nodes' | 'samples' | 'timeDeltas'> = { nodes: [] };

jest.spyOn(process.hrtime, 'bigint').mockImplementation(() => BigInt(micros) * 1000n);
jest.unstable_mockModule('../../sampling/thread-clock.js', () => ({
  openThreadClock: () => ({ read: () => cpuNanos, close() {} }),
  processCpuNanos: () => cpuNanos,
}));
jest.unstable_mockModule('../../sampling/native-threads.js', () => ({
  nativeThreadIds: () => [],
  otherNativeThreads: () => [],
}));
jest.unstable_mockModule('../../sampling/inspector-session.js', () => ({
  InspectorSession: MadeUpSession,
  inspectorProblem: () => undefined,
}));

Object.assign(MadeUpSession.v8, {
  micros: () => micros,
  starts: () => void (cpuNanos += STARTS),
  ends: () => void (cpuNanos += STOPS),
  sampled: () => v8,
});

const { inspectorCpu } = await import('../../sampling/inspector.sampler.js');
const { beginCpuCapture, freeCpuCapture } = await import('./cpu-recording.js');
const { cpuProfileOf } = await import('./cpu-profile.js');
const { FrameResolver } = await import('../frames/frame-resolver.js');

/** A node of V8's profile. */
const node = (
  id: number,
  functionName: string,
  hitCount: number,
  lines: number[] = [],
): Profiler.ProfileNode => ({
  id,
  callFrame: { functionName, scriptId: '7', url: 'file:///app/main.js', lineNumber: 9, columnNumber: 0 },
  hitCount,
  positionTicks: lines.map((line) => ({ line, ticks: hitCount / lines.length })),
});

/** What each function took, in ms, of a capture in which V8 took these samples while the code ran. */
async function captured(nodes: Profiler.ProfileNode[], samples: number[]): Promise<Record<string, number>> {
  const capture = beginCpuCapture(inspectorCpu, 100);
  cpuNanos += WORKS;
  const first = (micros += 10);
  micros += samples.length + 1;
  v8 = {
    nodes: [{ ...node(1, '(root)', 0), children: nodes.map(({ id }) => id) }, ...nodes],
    samples,
    timeDeltas: samples.map((_, i) => (i === 0 ? first : 1)),
  };
  const nothing = { load: async () => () => undefined } as never;
  const ended = await cpuProfileOf(capture, freeCpuCapture(capture), new FrameResolver(nothing, nothing), []);
  const profile = new DecodedProfile(await ended.encode());
  const names = new Set(profile.samples.map(({ stack: [leaf] }) => leaf!));
  return Object.fromEntries([...names].map((name) => [name, profile.flat('cpu', name) / MS]));
}

describe('a CPU profile by the inspector', () => {
  it('has the CPU time by the clock of the thread, with the time of V8 in a separate frame', async () => {
    const nodes = [node(2, 'work', 3, [10]), node(3, 'more', 1, [20])];
    expect(await captured(nodes, [2, 3, 2, 2])).toEqual({ work: 15, more: 5, '(profiler)': 80 });
  });

  it('has all CPU time if V8 added samples for which it counts no hits', async () => {
    const nodes = [node(2, 'work', 2, [10, 11]), node(3, 'deoptimized', 0)];
    const { '(profiler)': profiler, ...took } = await captured(nodes, [3, 2, 3, 3, 2]);
    expect(profiler).toBe(80);
    expect(Object.values(took).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(20, 5);
  });

  it('attributes CPU time without a sampled function to (program)', async () => {
    expect(await captured([node(2, '(idle)', 3)], [2, 2, 2])).toEqual({ '(program)': 20, '(profiler)': 80 });
  });
});
