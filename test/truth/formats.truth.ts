import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, it } from '@jest/globals';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, sampledSize, share, within } from './claim.js';

/** Of the work, the share of each function. */
const SHARES = { hotA: 0.7, hotB: 0.3 };

/** Of the capture in code: 4,000 samples or more at 1000 Hz. */
const SECONDS = 6;

/** Of what hold.cjs holds: 100 MB, which are 6,000 samples. */
const COUNT = 102_400;
const SIZE = 1024;
const RATE = 16_384;

/** Seconds of a capture by `format=cpuprofile`. */
const SHORT = 2;

/** Lines of hotA's loop, from 1. */
const LOOP = new Set([2, 3].map((after) => after + lineOf('function hotA(')));

/** What Chrome's DevTools expect, as far as these tests read it. */
interface CpuProfile {
  readonly nodes: readonly CpuNode[];
  readonly startTime: number;
  readonly endTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
interface CpuNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string };
  readonly hitCount: number;
  readonly children: readonly number[];
  readonly positionTicks?: readonly { readonly line: number; readonly ticks: number }[];
}
interface HeapNode {
  readonly callFrame: { readonly functionName: string };
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}
interface HeapProfile {
  readonly head: HeapNode;
}

describe.each(['pprof', 'inspector'])('a capture by %s in both formats', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    const env = { SAMPLER: sampler, MEM_RATE: `${RATE}`, SECONDS: `${SECONDS}` };
    app = await startWorkload('formats.mjs', { env });
  });
  afterAll(() => TestProcess.stopAll());

  /** The same capture as pprof's format and as DevTools'. */
  const captured = async <T>(order: string): Promise<{ pprof: DecodedProfile; devTools: T }> => {
    const { pprof, devTools } = await app.post<Record<'pprof' | 'devTools', string>>(order);
    return { pprof: new DecodedProfile(Buffer.from(pprof, 'base64')), devTools: JSON.parse(devTools) };
  };

  describe('.cpuprofile', () => {
    const subject = `.cpuprofile by ${sampler}`;
    let profile: CpuProfile;
    beforeAll(async () => {
      ({ devTools: profile } = await captured<CpuProfile>('cpu'));
    });

    const samplesIn = (name: string): number => {
      const inside = subtree(profile, name);
      return profile.samples.filter((id) => inside.has(id)).length;
    };

    it('gives each function its share of the samples', () => {
      const n = samplesIn('hotA') + samplesIn('hotB');
      claim(`${subject}: most samples are of the work`, n / profile.samples.length, atLeast(0.5, n));
      claim(`${subject}: hotA has its share of the samples`, samplesIn('hotA') / n, share(SHARES.hotA, n));
    });

    it('has times of its samples that are the duration, which is what was asked for', () => {
      const { timeDeltas, startTime, endTime } = profile;
      const duration = endTime - startTime;
      const n = timeDeltas.length;
      const sum = timeDeltas.reduce((sum, delta) => sum + delta, 0);
      // The last sample is some ms before the end; V8 stops late where it waits for the CPU.
      claim(`${subject}: the times of the samples are the duration`, sum / duration, within(0.02, n));
      claim(`${subject}: the duration is what was asked for`, duration / 1e6 / SECONDS, atLeast(0.97));
    });

    it('counts for a node the samples that were in it', () => {
      for (const name of Object.keys(SHARES)) {
        const own = profile.nodes.filter(({ callFrame }) => callFrame.functionName === name);
        const ids = new Set(own.map(({ id }) => id));
        const hits = own.reduce((sum, { hitCount }) => sum + hitCount, 0);
        const samples = profile.samples.filter((id) => ids.has(id)).length;
        // V8 adds samples of its own where it deoptimizes, and counts no hit for them.
        claim(
          `${subject}: the hits of ${name} are its samples`,
          samples / hits,
          within(0.01 + 2 / hits, hits),
        );
      }
    });

    it('marks the lines that took the time', () => {
      const nodes = profile.nodes.filter(({ callFrame }) => callFrame.functionName === 'hotA');
      const hits = nodes.reduce((sum, { hitCount }) => sum + hitCount, 0);
      const inLoop = nodes
        .flatMap(({ positionTicks = [] }) => positionTicks)
        .filter(({ line }) => LOOP.has(line))
        .reduce((sum, { ticks }) => sum + ticks, 0);
      // A function that runs for 0.2 ms at a time is at its beginning or end in few samples.
      claim(`${subject}: the ticks of hotA are at the lines of its loop`, inLoop / hits, atLeast(0.95, hits));
    });
  });

  it('.heapprofile has the size of what is held where it was allocated, as the pprof format has it', async () => {
    const subject = `.heapprofile by ${sampler}`;
    await app.post('hold');
    const { pprof, devTools } = await captured<HeapProfile>('memory');
    const nodes = [...nodesOf(devTools.head)];
    const held = sizeOf(nodes.filter(({ callFrame }) => callFrame.functionName === 'holdObjects'));
    const bound = sampledSize({ count: COUNT, size: SIZE, rate: RATE, sampler });
    claim(`${subject}: 100 MB are held`, held / (COUNT * SIZE), bound);
    // Sizes of nodes are whole bytes.
    const inPprof = pprof.flat('inuse_space', 'holdObjects');
    claim(`${subject}: as much is held as in the pprof format`, held / inPprof, within(1e-4, bound.n));

    const outside = ['(external)', '(ArrayBuffers)'].map((name) => pprof.flat('inuse_space', name));
    const withStack = pprof.total('inuse_space') - outside.reduce((sum, bytes) => sum + bytes, 0);
    claim(
      `${subject}: has the size of all that has a stack`,
      sizeOf(nodes) / withStack,
      within(1e-4, bound.n),
    );
  });
});

describe('format=cpuprofile', () => {
  afterEach(() => TestProcess.stopAll());

  // The inspector knows when each sample was, and samples unless pprof is asked for.
  it.each([
    { option: 'pprof', query: '', ordered: true },
    { option: 'pprof', query: '&sampler=inspector', ordered: true },
    { option: 'pprof', query: '&sampler=pprof', ordered: false },
    { option: 'inspector', query: '', ordered: true },
    { option: 'inspector', query: '&sampler=pprof', ordered: false },
  ])(
    'in an app that samples by $option, "$query": its samples are in order: $ordered',
    async ({ option, query, ordered }) => {
      const app = await startWorkload('formats.mjs', { env: { SAMPLER: option } });
      const answer = await fetch(app.pprof(`profile?seconds=${SHORT}&hz=1000&format=cpuprofile${query}`));
      const { samples } = (await answer.json()) as CpuProfile;
      const n = samples.length;
      const changes = samples.filter((id, i) => id !== samples[i - 1]).length / n;
      // The app goes from one function to the other within a ms: of neighbours 0.42 are of two functions where chance
      // tells their order. Without times the samples of a function stand together.
      const words = `format=cpuprofile${query}, usually ${option}: neighbours are samples of two functions`;
      if (ordered) claim(`${words}, as in time`, changes, atLeast(0.2, n));
      else claim(`${words}, hardly ever`, changes, atMost(0.2, n));
    },
  );
});

/** From 1. */
function lineOf(text: string): number {
  const lines = readFileSync(appFile('formats.mjs'), 'utf8').split('\n');
  return lines.findIndex((line) => line.includes(text)) + 1;
}

/** The nodes of a function and of all that it calls. */
function subtree({ nodes }: CpuProfile, name: string): Set<number> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const found = new Set<number>();
  const pending = nodes.filter(({ callFrame }) => callFrame.functionName === name);
  for (let node = pending.pop(); node; node = pending.pop()) {
    found.add(node.id);
    pending.push(...node.children.map((id) => byId.get(id)!));
  }
  return found;
}

const sizeOf = (nodes: readonly HeapNode[]): number => nodes.reduce((sum, { selfSize }) => sum + selfSize, 0);

function* nodesOf(node: HeapNode): Generator<HeapNode> {
  yield node;
  for (const child of node.children) yield* nodesOf(child);
}
