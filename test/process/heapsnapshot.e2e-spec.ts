import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel, until } from '../support/async.js';
import { request } from '../support/http.js';
import { HOLDS_LITTLE, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** What is used of the JSON that V8 writes. */
interface SnapshotJson {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      /** The names of types come first, as the type does in `node_fields`. */
      readonly node_types: readonly [readonly string[], ...unknown[]];
      readonly edge_fields: readonly string[];
    };
    readonly node_count: number;
    readonly edge_count: number;
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

/** Counts the objects of each class. */
function objectsOf({ snapshot: { meta }, nodes, strings }: SnapshotJson): Map<string, number> {
  const { node_fields: fields, node_types: types } = meta;
  const name = fields.indexOf('name');
  const object = types[0].indexOf('object');
  const counts = new Map<string, number>();
  for (let at = 0; at < nodes.length; at += fields.length) {
    if (nodes[at] !== object) continue;
    const of = strings[nodes[at + name]!]!;
    counts.set(of, (counts.get(of) ?? 0) + 1);
  }
  return counts;
}

async function snapshotOf(app: Workload): Promise<{ json: SnapshotJson; pid: string }> {
  const { status, headers, body } = await request(app.pprof('heapsnapshot'));
  if (status !== 200) throw new Error(`${status} ${body}\n${app.process.output}`);
  const [, pid] = /-(\d+)-\w+\.heapsnapshot"$/.exec(headers['content-disposition']!)!;
  return { json: JSON.parse(String(body)) as SnapshotJson, pid: pid! };
}

/** Asks for a snapshot, and leaves when its first bytes are there. */
function giveUp(app: Workload): Promise<void> {
  return new Promise((resolve, reject) => {
    const client = get(app.pprof('heapsnapshot'), { agent: false }, (response) => {
      response.once('error', () => {});
      response.once('data', () => {
        client.once('close', resolve);
        client.destroy();
      });
    });
    client.once('error', reject);
  });
}

/** Files that a process has open for snapshots. */
function openFiles(pid: string): string[] {
  if (process.platform !== 'linux') return [];
  const directory = `/proc/${pid}/fd`;
  const names = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(join(directory, fd));
    } catch {
      return ''; // closed meanwhile
    }
  });
  return names.filter((name) => name.includes('.heapsnapshot'));
}

const directory = mkdtempSync(join(tmpdir(), 'heapsnapshot-'));

/** Where the JSON is meanwhile: in a file, or in memory where no file can be created. */
const ROWS = [
  { adapter: 'express', TMPDIR: directory },
  { adapter: 'fastify', TMPDIR: join(directory, 'missing') },
];

describe('heapsnapshot of a process', () => {
  afterEach(async () => {
    await TestProcess.stopAll();
    rmSync(directory, { recursive: true, force: true });
  });

  it("has all objects, leaves V8's heap sampler on and no file behind, and is there again after a client has left", () =>
    inParallel(ROWS, async ({ adapter, TMPDIR }) => {
      const app = await startWorkload('heap.mjs', { env: { ...HOLDS_LITTLE, ADAPTER: adapter, TMPDIR } });
      const { count } = await app.post<{ count: number }>('hold');
      const before = await app.profile('heap?gc=1');
      await giveUp(app);
      let taken: Awaited<ReturnType<typeof snapshotOf>> | undefined;
      while (!taken) taken = await snapshotOf(app).catch(retryIfBusy);
      const { json, pid } = taken;
      const { snapshot, nodes, edges } = json;
      expect(snapshot.node_count).toBeGreaterThan(count);
      expect([nodes.length, edges.length]).toEqual([
        snapshot.node_count * snapshot.meta.node_fields.length,
        snapshot.edge_count * snapshot.meta.edge_fields.length,
      ]);
      expect(objectsOf(json).get('WorkloadController')).toBeGreaterThanOrEqual(1);
      await until(
        async () => openFiles(pid),
        (left) => left,
      );
      const after = await app.profile('heap?gc=1');
      expect(after.flat('inuse_space', 'holdObjects')).toBe(before.flat('inuse_space', 'holdObjects'));
      expect(readdirSync(directory)).toEqual([]);
    }));
});

/** The server may not have noticed at once that the client has left. */
function retryIfBusy(error: Error): undefined {
  if (!error.message.includes('already in use')) throw error;
}
