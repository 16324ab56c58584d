import { afterEach, describe, expect, it } from '@jest/globals';
import type { Profiler } from 'node:inspector';
import { nowMicros } from './cpu-readings.js';
import { CpuPiece, RollingCpu } from './rolling-cpu.js';

const frame = (functionName: string): Profiler.ProfileNode['callFrame'] => ({
  functionName,
  scriptId: '7',
  url: '/app/main.js',
  lineNumber: 9,
  columnNumber: 4,
});

/** (root) → main → work, and what is no function. */
const NODES: Profiler.ProfileNode[] = [
  { id: 1, callFrame: frame('(root)'), children: [2, 4, 5, 6] },
  { id: 2, callFrame: frame('main'), children: [3] },
  { id: 3, callFrame: frame('work') },
  { id: 4, callFrame: frame('(idle)') },
  { id: 5, callFrame: frame('(program)') },
  { id: 6, callFrame: frame('(garbage collector)') },
];
const [MAIN, WORK, IDLE, PROGRAM, GC] = [2, 3, 4, 5, 6];

/** Samples at these times, in µs. */
function piece(samples: readonly (readonly [micros: number, node: number])[], startTime = 1000): CpuPiece {
  const times = samples.map(([micros]) => micros);
  return new CpuPiece(
    {
      nodes: NODES,
      startTime,
      endTime: 10_000,
      samples: samples.map(([, node]) => node),
      timeDeltas: times.map((micros, i) => micros - (times[i - 1] ?? startTime)),
    },
    { beginMicros: startTime, endMicros: startTime },
  );
}

/** Names leaf first, and µs. */
function seen(piece: CpuPiece, beginMicros: number, endMicros: number): [string, number][] {
  return piece
    .stacksIn({ beginMicros, endMicros })
    .map(({ stack, nanos }) => [stack.map(({ functionName }) => functionName).join(' < '), nanos / 1000]);
}

describe('CpuPiece', () => {
  it('shares a stretch among what was seen in it, a sample for the time since the one before', () => {
    const samples = piece([
      [1500, MAIN],
      [2100, WORK],
      [2300, WORK],
      [2900, MAIN],
      [3500, GC],
    ]);
    expect(seen(samples, 2000, 3000)).toEqual([
      ['work < main', 300],
      ['main', 600 + 100], // and what comes after the last one
    ]);
  });

  it('has what V8 knows of a function, and where it begins', () => {
    const [only] = piece([[1500, WORK]]).stacksIn({ beginMicros: 1000, endMicros: 2000 });
    expect(only!.stack[0]).toEqual({
      functionName: 'work',
      url: '/app/main.js',
      scriptId: 7,
      functionLine: 10,
      functionColumn: 5,
      line: 10,
    });
  });

  it('knows no idle time where the thread was not: that is native code, as what V8 calls program', () => {
    const samples = piece([
      [1200, IDLE],
      [1400, PROGRAM],
      [1800, WORK],
    ]);
    expect(seen(samples, 1000, 1800)).toEqual([
      ['(program)', 400],
      ['work < main', 400],
    ]);
  });

  it('loses nothing where no sample fell into it', () => {
    expect(seen(piece([[1500, WORK]]), 2000, 2600)).toEqual([['(program)', 600]]);
    expect(seen(piece([]), 2000, 2600)).toEqual([['(program)', 600]]);
  });

  it('takes a sample that V8 has dated before the one that came first for one of the same time', () => {
    const samples = piece([
      [1500, WORK],
      [1400, MAIN],
      [1900, MAIN],
    ]);
    expect(seen(samples, 1450, 2000).reduce((sum, [, micros]) => sum + micros, 0)).toBe(550);
  });

  it('puts the times of a clock that is not ours to when the profile began', () => {
    const foreign: Profiler.Profile = {
      nodes: NODES,
      startTime: 5,
      endTime: 900,
      samples: [WORK],
      timeDeltas: [300],
    };
    const samples = new CpuPiece(foreign, { beginMicros: 7000, endMicros: 7010 });
    expect(seen(samples, 7000, 7300)).toEqual([['work < main', 300]]);
  });
});

describe('RollingCpu', () => {
  let cpu: RollingCpu | undefined;
  afterEach(() => {
    cpu?.close();
    cpu = undefined;
  });

  it('samples without a gap from one piece to the next', () => {
    cpu = new RollingCpu(1000);
    for (let i = 0; i < 3; i++) {
      const beginMicros = nowMicros();
      burnHere(50_000);
      const endMicros = nowMicros();
      const stacks = cpu.cut().stacksIn({ beginMicros, endMicros });
      const burnt = stacks.filter(({ stack }) =>
        stack.some(({ functionName }) => functionName === 'burnHere'),
      );
      const nanos = burnt.reduce((sum, { nanos }) => sum + nanos, 0);
      expect(nanos / 1000 / (endMicros - beginMicros)).toBeGreaterThan(0.5);
    }
  });
});

function burnHere(micros: number): void {
  for (const until = nowMicros() + micros; nowMicros() < until;);
}
