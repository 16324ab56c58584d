import { beforeAll, describe, expect, it } from '@jest/globals';
import { rawHits, sumOf } from './raw-values.js';
import { NODES, onEachNode, recording, type Recordings } from './recordings.js';
import { replayCpu, type Replayed } from './replay.js';

/** A sample's value is a whole number of nanoseconds: with n samples a sum may be off by n / 2. */
const rounding = ({ profile }: Replayed): number => profile.samples.length / 2;

describe.each(onEachNode(['inspector-cpu']))(
  'CPU time of samples by the inspector, Node $node',
  ({ node }) => {
    let recorded: Recordings['inspector-cpu'];
    let replayed: Replayed;
    beforeAll(async () => {
      recorded = recording('inspector-cpu', node);
      replayed = await replayCpu('inspector-cpu', recorded);
    });
    const cpu = (name: string): number => replayed.profile.flat('cpu', name);

    it('adds up to what the clocks of the thread and of the other threads advanced', () => {
      const { beginNanos, endNanos, others } = recorded.measured!;
      const advanced = endNanos - beginNanos + sumOf(others, ({ nanos }) => nanos);
      expect(Math.abs(replayed.profile.total('cpu') - advanced)).toBeLessThanOrEqual(rounding(replayed));
    });

    it('has what V8 took to begin and to end as (profiler)', () => {
      const { beginNanos, endNanos, readings } = recorded.measured!;
      const sampled = readings.cpuNanos.at(-1)! - readings.cpuNanos[0]!;
      expect(cpu('(profiler)')).toBe(endNanos - beginNanos - sampled);
    });

    it('has what other threads took as (other threads), by their names', () => {
      const stacks = replayed.profile.samples.filter(({ stack }) => stack.at(-1) === '(other threads)');
      expect(stacks).toEqual(
        recorded.measured!.others.map(({ names, nanos }) => ({
          stack: names.toReversed(),
          values: { samples: 0, cpu: nanos },
        })),
      );
    });

    it('counts a call that blocks for what it used, not for how long it took', () => {
      const real = realNanos(recorded.profile, 'blocks');
      expect(real).toBeGreaterThan(70e6); // twice 40 ms, as sampled
      expect(cpu('blocks')).toBeGreaterThan(0);
      expect(cpu('blocks')).toBeLessThan(real / 5);
    });

    it('without a CPU clock is the real time from each sample to the next', async () => {
      const { profile } = await replayCpu('inspector-cpu', { ...recorded, measured: undefined });
      for (const name of ['hotA', 'hotB', 'spend', 'blocks']) {
        expect(Math.abs(profile.flat('cpu', name) - realNanos(recorded.profile, name))).toBeLessThan(5);
      }
      expect(profile.flat('cpu', '(profiler)')).toBe(0);
      expect(profile.comments).toContainEqual(expect.stringContaining('weighted by real time'));
    });
  },
);

describe.each(onEachNode(['pprof-cpu']))('CPU time of samples by pprof, Node $node', ({ node }) => {
  let recorded: Recordings['pprof-cpu'];
  let replayed: Replayed;
  beforeAll(async () => {
    recorded = recording('pprof-cpu', node);
    replayed = await replayCpu('pprof-cpu', recorded);
  });

  it('is the hits of each function times the real interval', () => {
    const { startTime, endTime } = recorded.profile;
    const hits = rawHits('pprof-cpu', recorded);
    const nanosPerHit = ((endTime - startTime) * 1000) / sumOf(hits, (one) => one.hits);
    for (const name of ['hotA', 'hotB', 'spend', 'blocks']) {
      const own = sumOf(hits, (one) => (one.name === name ? one.hits : 0));
      expect(own).toBeGreaterThan(0);
      expect(replayed.profile.flat('samples', name)).toBe(own);
      const off = Math.abs(replayed.profile.flat('cpu', name) - own * nanosPerHit);
      expect(off).toBeLessThanOrEqual(rounding(replayed));
    }
  });

  it('adds up to the duration without what is idle, and what other threads took', () => {
    const hits = rawHits('pprof-cpu', recorded);
    const idle = sumOf(hits, ({ name, hits }) => (name === '(idle)' ? hits : 0));
    const share = 1 - idle / sumOf(hits, (one) => one.hits);
    const expected = share * replayed.profile.durationNanos + sumOf(recorded.others, ({ nanos }) => nanos);
    expect(idle).toBeGreaterThan(0);
    expect(Math.abs(replayed.profile.total('cpu') - expected)).toBeLessThanOrEqual(rounding(replayed));
  });
});

describe.each(onEachNode(['inspector-cpu', 'pprof-cpu']))(
  'samples by $source, Node $node',
  ({ source, node }) => {
    it('are as many as V8 took, without the idle ones', async () => {
      const recorded = recording(source, node);
      const { profile } = await replayCpu(source, recorded);
      const hits = rawHits(source, recorded);
      const busy = hits.filter(({ name }) => name !== '(idle)');
      expect(profile.total('samples')).toBe(sumOf(busy, (one) => one.hits));
      expect(profile.total('samples')).toBeLessThan(sumOf(hits, (one) => one.hits));
      expect(profile.samples.flatMap(({ stack }) => stack)).not.toContain('(idle)');
    });

    it('have a period of 1 ms, since 1000 were asked for a second, and the duration that V8 tells', async () => {
      const recorded = recording(source, node);
      const { profile } = await replayCpu(source, recorded);
      const { startTime, endTime } = recorded.profile;
      expect(profile.period).toBe(1_000_000);
      expect(profile.durationNanos).toBe((endTime - startTime) * 1000);
    });
  },
);

/** From each sample with this function innermost until the next sample. */
function realNanos(profile: Recordings['inspector-cpu']['profile'], name: string): number {
  const { samples = [], timeDeltas = [], startTime, endTime } = profile;
  const nameOf = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  let time = startTime;
  const times = timeDeltas.map((delta) => (time += delta));
  return sumOf(
    samples.map((id, i) => ({ id, micros: Math.max((times[i + 1] ?? endTime) - times[i]!, 0) })),
    ({ id, micros }) => (nameOf.get(id) === name ? micros * 1000 : 0),
  );
}

it('the recordings are of the Node versions that the package supports', () => {
  expect(NODES.map((node) => recording('inspector-cpu', node).node.split('.')[0])).toEqual(NODES.map(String));
});
