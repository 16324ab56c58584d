import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { request } from '../support/http.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const MB = 2 ** 20;

/** Share of each function in percent of the work. */
const SHARES = { hotA: 70, hotB: 30 };
const TOLERANCE = 5;

/** Lines of hotA's loop, from 1. */
const LOOP = new Set([2, 3].map((after) => after + lineOf('function hotA(')));

/** What Chrome's DevTools expect, by the description of their protocol. */
interface CallFrame {
  functionName: string;
  scriptId: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}
interface CpuProfile {
  nodes: {
    id: number;
    callFrame: CallFrame;
    hitCount: number;
    children: number[];
    positionTicks?: { line: number; ticks: number }[];
  }[];
  startTime: number;
  endTime: number;
  samples: number[];
  timeDeltas: number[];
}
interface HeapNode {
  id: number;
  callFrame: CallFrame;
  selfSize: number;
  children: HeapNode[];
}
interface HeapProfile {
  head: HeapNode;
  samples: { size: number; nodeId: number; ordinal: number }[];
}

const CALL_FRAME = {
  functionName: expect.any(String),
  scriptId: expect.stringMatching(/^\d+$/),
  url: expect.any(String),
  lineNumber: expect.any(Number),
  columnNumber: expect.any(Number),
};

describe.each(['pprof', 'inspector'])('a capture by %s in both formats', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('formats.mjs', { env: { SAMPLER: sampler, MEM_RATE: '32768' } });
  });
  afterAll(() => TestProcess.stopAll());

  /** The same capture as pprof's format and as DevTools'. */
  const captured = async <T>(order: string): Promise<{ pprof: DecodedProfile; devTools: T }> => {
    const found = await app.post<Record<'pprof' | 'pprofFile' | 'devTools' | 'devToolsFile', string>>(order);
    expect(found.devToolsFile).toBe(found.devTools);
    expect(found.pprofFile).toBe(found.pprof);
    return {
      pprof: new DecodedProfile(Buffer.from(found.pprof, 'base64')),
      devTools: JSON.parse(found.devTools),
    };
  };

  describe('.cpuprofile', () => {
    let pprof: DecodedProfile;
    let profile: CpuProfile;
    beforeAll(async () => {
      ({ pprof, devTools: profile } = await captured<CpuProfile>('cpu'));
    });

    it('is one tree of all nodes', () => {
      const ids = profile.nodes.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(profile.nodes[0]!.callFrame.functionName).toBe('(root)');
      const children = profile.nodes.flatMap((node) => node.children);
      expect(new Set(children).size).toBe(children.length);
      expect(new Set([profile.nodes[0]!.id, ...children])).toEqual(new Set(ids));
    });

    it('has nodes with all that belongs to one', () => {
      for (const { id, callFrame, hitCount, positionTicks = [] } of profile.nodes) {
        expect(callFrame).toEqual(CALL_FRAME);
        expect(Number.isInteger(id) && id > 0).toBe(true);
        expect(callFrame.lineNumber).toBeGreaterThanOrEqual(-1);
        expect(positionTicks.every(({ line, ticks }) => line > 0 && ticks > 0)).toBe(true);
        expect(positionTicks.reduce((sum, { ticks }) => sum + ticks, 0)).toBeLessThanOrEqual(hitCount);
      }
    });

    it('has a time for each sample, and these are the duration', () => {
      const { nodes, samples, timeDeltas, startTime, endTime } = profile;
      const ids = new Set(nodes.map(({ id }) => id));
      expect(samples.length).toBeGreaterThan(500);
      expect(timeDeltas).toHaveLength(samples.length);
      expect(samples.every((id) => ids.has(id))).toBe(true);
      expect(timeDeltas.every(Number.isInteger)).toBe(true);
      const duration = endTime - startTime;
      expect(duration).toBeGreaterThan(2.9e6);
      expect(Math.abs(timeDeltas.reduce((sum, delta) => sum + delta, 0) / duration - 1)).toBeLessThan(0.02);
    });

    it('counts for a node the samples that were in it', () => {
      for (const name of Object.keys(SHARES)) {
        for (const { id, callFrame, hitCount } of profile.nodes) {
          if (callFrame.functionName !== name) continue;
          const count = profile.samples.filter((sample) => sample === id).length;
          // V8 adds samples of its own where it deoptimizes, and counts no hit for them.
          expect(Math.abs(count - hitCount)).toBeLessThanOrEqual(2 + hitCount / 100);
        }
      }
    });

    it.each(Object.entries(SHARES))('gives %s its share of %d %% of the samples', (name, share) => {
      const countOf = (inside: Set<number>): number => profile.samples.filter((id) => inside.has(id)).length;
      const both = Object.keys(SHARES).reduce((sum, one) => sum + countOf(subtree(profile, one)), 0);
      expect(both).toBeGreaterThan(profile.samples.length / 2);
      expect(Math.abs((100 * countOf(subtree(profile, name))) / both - share)).toBeLessThan(TOLERANCE);
    });

    it('marks the lines that took the time', () => {
      const nodes = profile.nodes.filter(({ callFrame }) => callFrame.functionName === 'hotA');
      const hits = nodes.reduce((sum, { hitCount }) => sum + hitCount, 0);
      const inLoop = nodes
        .flatMap(({ positionTicks = [] }) => positionTicks)
        .filter(({ line }) => LOOP.has(line))
        .reduce((sum, { ticks }) => sum + ticks, 0);
      expect(inLoop).toBeGreaterThan(0.9 * hits);
      expect(nodes[0]!.callFrame.url).toBe(appFile('formats.mjs'));
    });

    it('has the names of the pprof format', () => {
      const sampled = new Set(profile.samples);
      const names = profile.nodes
        .filter(({ id, hitCount }) => sampled.has(id) && hitCount > 0)
        .map(({ callFrame }) => callFrame.functionName)
        .filter((name) => name !== '(idle)' && name !== '(root)');
      const known = new Set(pprof.samples.flatMap(({ stack }) => stack));
      expect(names.filter((name) => !known.has(name))).toEqual([]);
      expect(names).toContain('hotA');
    });
  });

  describe('.heapprofile', () => {
    let pprof: DecodedProfile;
    let profile: HeapProfile;
    let nodes: HeapNode[];
    beforeAll(async () => {
      await app.post('hold');
      ({ pprof, devTools: profile } = await captured<HeapProfile>('memory'));
      nodes = [...nodesOf(profile.head)];
    });

    it('has nodes with all that belongs to one', () => {
      expect(profile.head.callFrame.functionName).toBe('(root)');
      expect(new Set(nodes.map(({ id }) => id)).size).toBe(nodes.length);
      for (const { callFrame, selfSize } of nodes) {
        expect(callFrame).toEqual(CALL_FRAME);
        expect(Number.isInteger(selfSize) && selfSize >= 0).toBe(true);
      }
    });

    it('has samples of its nodes, with their sizes', () => {
      const sizes = new Map<number, number>();
      for (const { nodeId, size } of profile.samples) sizes.set(nodeId, (sizes.get(nodeId) ?? 0) + size);
      expect(nodes.filter(({ id, selfSize }) => Math.abs((sizes.get(id) ?? 0) - selfSize) > 1)).toEqual([]);
      expect([...sizes.keys()].every((id) => nodes.some((node) => node.id === id))).toBe(true);
      const ordinals = profile.samples.map(({ ordinal }) => ordinal);
      expect(new Set(ordinals).size).toBe(ordinals.length);
    });

    it('has the size of all that has a stack', () => {
      const outside = ['(external)', '(ArrayBuffers)'].reduce(
        (sum, name) => sum + pprof.flat('inuse_space', name),
        0,
      );
      const total = nodes.reduce((sum, { selfSize }) => sum + selfSize, 0);
      expect(Math.abs(total / (pprof.total('inuse_space') - outside) - 1)).toBeLessThan(1e-4);
    });

    it('has the size of what is held where it was allocated, as the pprof format has it', () => {
      const held = nodes
        .filter(({ callFrame }) => callFrame.functionName === 'holdObjects')
        .reduce((sum, { selfSize }) => sum + selfSize, 0);
      expect(Math.abs(held / (100 * MB) - 1)).toBeLessThan(0.1);
      expect(Math.abs(held / pprof.flat('inuse_space', 'holdObjects') - 1)).toBeLessThan(1e-4);
    });

    it('has the names of the pprof format', () => {
      const known = new Set(pprof.samples.flatMap(({ stack }) => stack));
      const names = nodes
        .filter(({ selfSize }) => selfSize > 0)
        .map(({ callFrame }) => callFrame.functionName);
      expect(names.filter((name) => !known.has(name))).toEqual([]);
    });
  });

  it.each([
    ['profile?seconds=1&format=cpuprofile', 'nodes', 'profile.cpuprofile'],
    ['heap?format=heapprofile', 'head', 'heap.heapprofile'],
  ])('is served as a file that DevTools know by its extension: /%s', async (path, key, name) => {
    const answer = await fetch(app.pprof(path));
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${name}"`);
    expect(await answer.json()).toHaveProperty(key);
  });
});

describe.each(['pprof', 'inspector'])('format=cpuprofile in an app that samples by %s', (sampler) => {
  afterEach(() => TestProcess.stopAll());

  it('is taken by the inspector, which knows when each sample was, unless pprof is asked for', async () => {
    const app = await startWorkload('formats.mjs', { env: { SAMPLER: sampler } });
    const inOrder = async (query: string): Promise<boolean> => {
      const answer = await fetch(app.pprof(`profile?seconds=1&hz=1000&format=cpuprofile${query}`));
      const { samples } = (await answer.json()) as CpuProfile;
      // The app goes from one to the other within some ms. Without times the samples of a place stand together.
      return samples.filter((id, i) => id !== samples[i - 1]).length > samples.length / 5;
    };
    expect(await inOrder('')).toBe(true);
    expect(await inOrder('&sampler=inspector')).toBe(true);
    expect(await inOrder('&sampler=pprof')).toBe(false);
  });
});

describe.each(ADAPTERS)('format= on %s', (adapter) => {
  afterEach(closeApps);

  it.each([
    ['/profile?seconds=1&format=nonsense', 'cpuprofile'],
    ['/profile?seconds=1&format=heapprofile', 'cpuprofile'],
    ['/profile?seconds=1&format=CPUPROFILE', 'cpuprofile'],
    ['/heap?format=nonsense', 'heapprofile'],
    ['/heap?format=cpuprofile', 'heapprofile'],
    ['/heap?format=pprof', 'heapprofile'],
  ])('%s is 400', async (path, takes) => {
    const { base } = await startApp(adapter);
    for (const method of ['GET', 'HEAD']) {
      const { status, text, headers } = await request({ base, path }, { method });
      expect({ status, text, disposition: headers['content-disposition'] }).toEqual({
        status: 400,
        text: method === 'GET' ? `invalid value for "format" - must be ${takes}\n` : '',
        disposition: undefined,
      });
    }
  });

  it.each([
    ['/profile?format=cpuprofile', 'profile.cpuprofile'],
    ['/profile?format=', 'profile'],
    ['/heap?format=heapprofile', 'heap.heapprofile'],
    ['/heap?format=', 'heap'],
  ])('HEAD %s tells the name of the file, and captures nothing', async (path, name) => {
    const { base } = await startApp(adapter);
    const { status, headers, body } = await request({ base, path }, { method: 'HEAD' });
    expect({ status, disposition: headers['content-disposition'], length: body.length }).toEqual({
      status: 200,
      disposition: `attachment; filename="${name}"`,
      length: 0,
    });
  });
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

function* nodesOf(node: HeapNode): Generator<HeapNode> {
  yield node;
  for (const child of node.children) yield* nodesOf(child);
}
