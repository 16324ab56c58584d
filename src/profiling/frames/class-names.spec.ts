import type { DiscoveryService } from '@nestjs/core';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FunctionLocation } from '../../sampling/function-locations.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { HoldMeter } from '../loop.js';

/** V8 cannot be asked from within Jest, whose code is in a realm of its own. */
const places = new Map<unknown, FunctionLocation>();
const asked: unknown[][] = [];
jest.unstable_mockModule('../../sampling/function-locations.js', () => ({
  *locateFunctions(functions: unknown[]) {
    asked.push(functions);
    yield;
    return functions.map((fn) => places.get(fn));
  },
}));
const { ClassNames } = await import('./class-names.js');

const SCRIPT = 7;
const at = (line: number, column = 3): FunctionLocation => ({ scriptId: SCRIPT, line, column });

class Animals {
  inherited(): void {}
}
class Cats extends Animals {
  findOne(): void {
    // Three lines long.
  }
  static create(): void {}
  get total(): number {
    return 0;
  }
}
class Dogs extends Animals {
  findOne(): void {}
}

/** As decorators make them: another function each time, of the same place. */
const decorated = (method: () => void): (() => void) =>
  function timed() {
    method();
  };

/** Nest's discovery, as far as it is asked. */
function discovery(...metatypes: unknown[]): DiscoveryService {
  const getProviders = () =>
    metatypes.map((metatype) =>
      typeof metatype === 'object' ? (metatype as object) : { metatype, inject: undefined },
    );
  return { getProviders, getControllers: () => [] } as unknown as DiscoveryService;
}

/** As the inspector has it: where the function begins. */
const beginning = (functionName: string, { scriptId, line, column }: FunctionLocation): RawFrame => ({
  functionName,
  url: '/app/cats.js',
  scriptId,
  functionLine: line,
  functionColumn: column,
  line: line + 1,
});

/** As pprof has it: the line that was executing. */
const executing = (functionName: string, line: number, scriptId = SCRIPT): RawFrame => ({
  functionName,
  url: '/app/cats.js',
  scriptId,
  functionLine: 0,
  functionColumn: 0,
  line,
});

async function classesOf(modules: DiscoveryService | undefined, ...frames: RawFrame[]): Promise<unknown[]> {
  const classNameOf = await new ClassNames(modules).load(frames, new HoldMeter());
  return frames.map((frame) => classNameOf(frame));
}

const totalOf = Object.getOwnPropertyDescriptor(Cats.prototype, 'total')!.get!;

beforeEach(() => {
  asked.length = 0;
  places.clear();
  places.set(Animals.prototype.inherited, at(2));
  places.set(Cats.prototype.findOne, at(5));
  places.set(Cats.create, at(8));
  places.set(totalOf, at(9));
  places.set(Dogs.prototype.findOne, at(14));
});

describe('ClassNames', () => {
  it('finds the class by the place where a method begins', async () => {
    const frames = [
      beginning('findOne', at(5)),
      beginning('findOne', at(14)),
      beginning('inherited', at(2)),
      beginning('create', at(8)),
      beginning('get total', at(9)),
    ];
    expect(await classesOf(discovery(Cats, Dogs), ...frames)).toEqual([
      'Cats',
      'Dogs',
      'Animals',
      'Cats',
      'Cats',
    ]);
  });

  it('finds it by script, name and lines where a frame does not say where its function begins', async () => {
    const frames = [
      executing('findOne', 5),
      executing('findOne', 6),
      executing('findOne', 14),
      executing('findOne', 13), // of somebody else
      executing('findOne', 5, 8), // of another script
      executing('other', 5),
    ];
    expect(await classesOf(discovery(Cats, Dogs), ...frames)).toEqual([
      'Cats',
      'Cats',
      'Dogs',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['another column', beginning('findOne', at(5, 4))],
    ['another script', beginning('findOne', { ...at(5), scriptId: 8 })],
    ['a method that V8 has no place for', beginning('missing', at(0))],
  ])('finds none for %s', async (_, frame) => {
    expect(await classesOf(discovery(Cats), frame)).toEqual([undefined]);
  });

  it('ignores factories, values and providers that are not classes', async () => {
    const modules = discovery(
      { metatype: Cats, inject: [] },
      { metatype: null },
      { metatype: undefined },
      { metatype: 'Cats' },
      () => new Cats(),
    );
    expect(await classesOf(modules, beginning('findOne', at(5)))).toEqual([undefined]);
  });

  it('gives a function that several classes have to none of them', async () => {
    class Lions {}
    class Tigers {}
    class Bears {}
    const [first, second] = [decorated(() => {}), decorated(() => {})];
    for (const [type, fn] of [
      [Lions, first],
      [Tigers, second],
    ] as const) {
      Object.defineProperty(type.prototype, 'roar', { value: fn, enumerable: false });
      places.set(fn, at(40));
    }
    expect(await classesOf(discovery(Lions, Tigers), beginning('timed', at(40)))).toEqual([undefined]);
    expect(await classesOf(discovery(Lions, Bears), beginning('timed', at(40)))).toEqual(['Lions']);
  });

  it('asks V8 for the methods whose names occur, and once', async () => {
    const names = new ClassNames(discovery(Cats, Dogs));
    const frames = [beginning('findOne', at(5))];
    await names.load(frames, new HoldMeter());
    expect(asked).toEqual([[Cats.prototype.findOne, Dogs.prototype.findOne]]);
    await names.load(frames, new HoldMeter());
    await names.load([...frames, beginning('create', at(8))], new HoldMeter());
    expect(asked.slice(1)).toEqual([[Cats.create]]);
  });

  it('knows no class where there is no container', async () => {
    expect(await classesOf(undefined, beginning('findOne', at(5)))).toEqual([undefined]);
    expect(asked).toEqual([]);
  });
});
