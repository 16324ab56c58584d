import { describe, expect, it } from '@jest/globals';
import type { LoopHold } from './hold-finder.js';
import { type SampledStretch, sharesOf } from './hold-shares.js';
import type { HoldShare, RawFrame } from './sampler.js';

const MS = 1000;

const frame = (functionName: string, line = 1): RawFrame => ({
  functionName,
  url: '',
  scriptId: 0,
  functionLine: 1,
  functionColumn: 0,
  line,
});

/** Nodes: main, parse that main calls, with hits at its lines 5 and 6, V8's idle, and a collection of garbage. */
const [MAIN, PARSE, IDLE_NODE, GC] = [0, 1, 4, 5];
const TREE = {
  frames: [
    frame('main'),
    frame('parse'),
    frame('parse', 5),
    frame('parse', 6),
    frame('(idle)'),
    frame('(garbage collector)'),
  ],
  frameOf: [0, 1, 2, 3, 4, 5],
  parentOf: [-1, 0, 0, 0, -1, -1],
};

interface Stretch {
  readonly span?: readonly [number, number];
  readonly excluded?: readonly [number, number][];
  readonly samples: readonly (readonly [node: number, ms: number])[];
  /** Of the lines 5 and 6. */
  readonly hits?: readonly [number, number];
  /** By how much V8's clock is ahead, in ms. */
  readonly ahead?: number;
}

function stretch({
  span = [0, 1000],
  excluded = [],
  samples,
  hits = [0, 0],
  ahead = 0,
}: Stretch): SampledStretch {
  const [beginMicros, endMicros] = [span[0] * MS, span[1] * MS];
  return {
    beginMicros,
    endMicros,
    excluded: excluded.map(([from, to]) => [from * MS, to * MS] as const),
    samples: {
      tree: TREE,
      hits: [0, 0, ...hits, 0, 0],
      linesAfter: [0, 2, 0, 0, 0, 0],
      idle: new Set([IDLE_NODE]),
      nodes: samples.map(([node]) => node),
      micros: Float64Array.from(samples, ([, ms]) => (ms + ahead) * MS),
      beginMicros: beginMicros + ahead * MS,
      endMicros: endMicros + ahead * MS,
      readings: undefined,
    },
  };
}

/** What a hold from 100 to 200 ms is shared among, in ms, by stacks such as `main parse:5`; V8 samples every 10 ms. */
function shared(stretches: readonly Stretch[], hold: Partial<LoopHold> = {}): Record<string, number> {
  const steps = sharesOf(
    { beginMicros: 100 * MS, endMicros: 200 * MS, waits: 0, awayMicros: 0, ...hold },
    stretches.map(stretch),
    10 * MS,
  );
  for (;;) {
    const { done, value } = steps.next();
    if (done) return Object.fromEntries(value.map((share) => [nameOf(share), share.micros / MS]));
  }
}

const nameOf = ({ stack }: HoldShare): string =>
  stack.map(({ functionName, line }) => functionName + (line > 1 ? `:${line}` : '')).join(' ');

/** Samples of a node, one in 10 ms. */
const sampled = (node: number, from: number, to: number): [number, number][] =>
  Array.from({ length: (to - from) / 10 }, (_, i) => [node, from + i * 10]);

describe('the stacks of a hold', () => {
  it('share it by the time from each sample to the next one, and the first sample has the time before it', () => {
    const samples = [...sampled(MAIN, 105, 135), ...sampled(PARSE, 135, 205)];
    expect(shared([{ samples }])).toEqual({ main: 35, 'main parse': 65 });
  });

  it('are not those before it and after it', () => {
    const samples = [...sampled(PARSE, 0, 100), ...sampled(MAIN, 101, 201), ...sampled(PARSE, 201, 300)];
    expect(shared([{ samples }])).toEqual({ main: 100 });
  });

  it('are in all segments that it has part of', () => {
    const [first, second] = [sampled(MAIN, 105, 145), sampled(PARSE, 145, 205)];
    expect(
      shared([
        { span: [0, 140], samples: first },
        { span: [140, 900], samples: second },
      ]),
    ).toEqual({
      main: 45,
      'main parse': 55,
    });
  });

  it('have their lines by the hits, if the hold has all samples of the function', () => {
    expect(shared([{ samples: sampled(PARSE, 105, 205), hits: [3, 1] }])).toEqual({
      'main parse:5': 75,
      'main parse:6': 25,
    });
  });

  it('have no lines if other samples have hit them too, but for the only one', () => {
    const samples = [...sampled(PARSE, 0, 100), ...sampled(PARSE, 105, 205)];
    expect(shared([{ samples, hits: [10, 10] }])).toEqual({ 'main parse': 100 });
    expect(shared([{ samples, hits: [0, 20] }])).toEqual({ 'main parse:6': 100 });
  });

  it('are (program) where V8 takes native code for idle, since the loop did not wait', () => {
    const samples = [...sampled(IDLE_NODE, 105, 125), ...sampled(MAIN, 125, 205)];
    expect(shared([{ samples }])).toEqual({ '(program)': 25, main: 75 });
  });

  it('have collections of garbage under what was executing before, or else after, if anything was', () => {
    const [before, after] = [sampled(MAIN, 105, 125), sampled(PARSE, 155, 205)];
    expect(shared([{ samples: [...before, ...sampled(GC, 125, 155), ...after] }])).toEqual({
      main: 25,
      'main (garbage collector)': 30,
      'main parse': 45,
    });
    expect(shared([{ samples: [...sampled(GC, 105, 155), ...after] }])).toEqual({
      'main parse (garbage collector)': 55,
      'main parse': 45,
    });
    const idle = sampled(IDLE_NODE, 105, 125);
    expect(shared([{ samples: [...idle, ...sampled(GC, 125, 205)] }])).toEqual({
      '(program)': 25,
      '(garbage collector)': 75,
    });
  });

  it("are (profiler) for the module's own work with V8, of which there are no samples", () => {
    const samples = [...sampled(MAIN, 105, 125), ...sampled(MAIN, 165, 205)];
    expect(shared([{ samples, excluded: [[125, 164]] }])).toEqual({ '(profiler)': 39, main: 61 });
  });

  it('of a late sample have the time before it: it was waiting for a system call to return', () => {
    const samples = [[MAIN, 105] as const, [PARSE, 180] as const];
    expect(shared([{ samples }])).toEqual({ main: 5, 'main parse': 95 });
  });

  it('are (unknown) without samples', () => {
    expect(shared([{ samples: [] }])).toEqual({ '(unknown)': 100 });
    expect(shared([])).toEqual({ '(unknown)': 100 });
  });

  it('are found by the clock of V8 where that is another one', () => {
    const samples = [...sampled(MAIN, 105, 135), ...sampled(PARSE, 135, 205), ...sampled(MAIN, 205, 300)];
    expect(shared([{ samples, ahead: 5000 }])).toEqual({ main: 35, 'main parse': 65 });
  });

  it('are those of a sample that V8 wrote after one with a later time, for no time', () => {
    const samples = [
      [MAIN, 105],
      [PARSE, 150],
      [MAIN, 140],
      [PARSE, 190],
    ] as const;
    expect(shared([{ samples: samples.map(([node, ms]) => [node, ms] as const) }])).toEqual({
      main: 5,
      'main parse': 95,
    });
  });
});

describe('a hold of ten seconds in which no sample came for eight', () => {
  const samples = [...sampled(MAIN, 105, 1105), ...sampled(PARSE, 9105, 10_105)];
  const stretches = [{ span: [0, 20_000] as const, samples }];
  const ten = { endMicros: 10_100 * MS, awayMicros: 8000 * MS };

  it('lasts two, if the process was stopped meanwhile', () => {
    expect(shared(stretches, { ...ten, waits: 399 })).toEqual({ main: 995, 'main parse': 1005 });
  });

  it("lasts ten, if V8's sampling thread went on: it was a system call that no signal interrupts", () => {
    expect(shared(stretches, { ...ten, waits: 401 })).toEqual({ main: 995, 'main parse': 9005 });
  });

  it('lasts ten, if the thread used the CPU', () => {
    const busy = { ...ten, waits: 200, awayMicros: 0 };
    expect(shared(stretches, busy)).toEqual({ main: 995, 'main parse': 9005 });
  });

  it("is (unknown) for as long as V8's profiler did not run", () => {
    const before = { span: [0, 1200] as const, samples: sampled(MAIN, 105, 1105) };
    const after = { span: [9000, 20_000] as const, samples: sampled(PARSE, 9105, 10_105) };
    expect(shared([before, after], { ...ten, waits: 200 })).toEqual({
      main: 995,
      'main parse': 995,
      '(unknown)': 7800,
    });
  });
});
