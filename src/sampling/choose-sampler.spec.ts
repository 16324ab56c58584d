import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { chooseSampler } from './choose-sampler.js';
import type { SamplerName } from './sampler.js';
import { warmCpu } from './warm-profiler.js';
import type { PprofPackage } from './pprof.sampler.js';

const built = (): Promise<PprofPackage> => Promise.resolve({} as PprofPackage);
const notBuilt = (): Promise<PprofPackage> =>
  Promise.reject(new Error('Could not locate the bindings file.\nTried:'));

describe('chooseSampler', () => {
  it('takes pprof by itself where it could be built', async () => {
    const sampling = await chooseSampler({ sampler: 'auto', warm: false }, built);
    expect([sampling.name, sampling.notice]).toEqual(['pprof', undefined]);
  });

  it('takes the inspector where it could not, and says why', async () => {
    const sampling = await chooseSampler({ sampler: 'auto', warm: false }, notBuilt);
    expect(sampling.name).toBe('inspector');
    expect(sampling.notice).toEqual({
      kind: 'instead',
      text: 'the optional package pprof cannot be loaded (Could not locate the bindings file.)',
    });
  });

  it('refuses when pprof is named and could not be built', async () => {
    await expect(chooseSampler({ sampler: 'pprof', warm: false }, notBuilt)).rejects.toThrow(
      'PprofModule: the sampler "pprof" cannot be loaded (Could not locate the bindings file.)',
    );
  });

  it('does not look for pprof when the inspector is named', async () => {
    const sampling = await chooseSampler({ sampler: 'inspector', warm: false }, notBuilt);
    expect([sampling.name, sampling.notice]).toEqual(['inspector', undefined]);
  });

  const WARM: [sampler: 'auto' | SamplerName, cpu: SamplerName, isWarm: boolean][] = [
    ['auto', 'inspector', true],
    ['inspector', 'inspector', true],
    ['pprof', 'pprof', false],
  ];
  it.each(WARM)(
    'with the sampler %s, takes %s for warm captures of the CPU',
    async (sampler, cpu, isWarm) => {
      const sampling = await chooseSampler({ sampler, warm: true }, built);
      const { cpu: chosen, notice } = sampling;
      expect([chosen.name, chosen === warmCpu, notice]).toEqual([cpu, isWarm, undefined]);
      expect(sampling.warm).toBeDefined();
    },
  );

  it.each([
    [true, undefined],
    [false, "the option warm is 'off'"],
  ])('with warm: %p, a watch of the event loop does not know its stacks since: %p', async (warm, unnamed) => {
    const sampling = await chooseSampler({ sampler: 'auto', warm }, built);
    expect(sampling.watchLoop({ hz: 100, pastSeconds: 0 }, () => {}).unnamed).toBe(unnamed);
  });

  describe("where Node's own profilers print what they are sent of ours", () => {
    const { execArgv, env } = process;
    afterEach(() => {
      Object.assign(process, { execArgv, env });
    });

    it.each([
      [{ execArgv: ['--cpu-prof'] }, 'Node itself profiles this process (--cpu-prof)'],
      [
        { env: { NODE_OPTIONS: '--max-http-header-size=1 --cpu-prof' } },
        'Node itself profiles this process (--cpu-prof)',
      ],
      [{ env: { NODE_V8_COVERAGE: 'x' } }, 'Node measures the coverage of this process (NODE_V8_COVERAGE)'],
    ])('leaves the profiler cold: %j', async (started, cold) => {
      Object.assign(process, started);
      const sampling = await chooseSampler({ sampler: 'auto', warm: true }, built);
      expect(sampling).toMatchObject({ name: 'pprof', cpu: { name: 'pprof' }, cold });
      expect(sampling.warm).toBeUndefined();
      expect(sampling.watchLoop({ hz: 100, pastSeconds: 0 }, () => {}).unnamed).toBe(cold);
    });
  });

  describe('in a Node without the inspector', () => {
    const PROBLEM = 'this Node was built without the inspector';
    beforeEach(() => {
      jest.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never);
    });
    afterEach(() => {
      jest.restoreAllMocks();
    });

    it('takes pprof, and says what is off', async () => {
      const sampling = await chooseSampler({ sampler: 'auto', warm: false }, built);
      expect([sampling.name, sampling.notice]).toEqual([
        'pprof',
        {
          kind: 'limited',
          text: `${PROBLEM}. Without it allocs, sampler=inspector, format=cpuprofile and names of classes are off, and the alloc_* values of heap`,
        },
      ]);
    });

    it('does without a sampler where pprof could not be built, and says why', async () => {
      const sampling = await chooseSampler({ sampler: 'auto', warm: false }, notBuilt);
      const reason = `${PROBLEM}; the optional package pprof cannot be loaded (Could not locate the bindings file.)`;
      expect(sampling.notice).toEqual({ kind: 'none', text: reason });
      expect(() => sampling.cpu.start(100)).toThrow(reason);
      expect(() => sampling.startHeap(1)).toThrow(reason);
    });

    it('does without a sampler when the inspector is named', async () => {
      const sampling = await chooseSampler({ sampler: 'inspector', warm: false }, built);
      expect(sampling.notice).toEqual({ kind: 'none', text: PROBLEM });
      expect(() => sampling.cpu.start(100)).toThrow(PROBLEM);
      expect(() => sampling.startHeap(1)).toThrow(PROBLEM);
    });
  });
});
