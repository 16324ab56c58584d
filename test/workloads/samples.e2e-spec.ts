import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { appFile, DecodedProfile, TestProcess } from '../support/process.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SAMPLE = join(ROOT, 'sample/02-own-profiles');

/** In no package of its own, so that it finds this one by its name. */
const BUILT = appFile(`../typescript/built-${process.pid}-sample`);

afterEach(() => TestProcess.stopAll());

describe('sample/02-own-profiles', () => {
  beforeAll(() => build(), 60_000);
  afterAll(() => rmSync(BUILT, { recursive: true, force: true }));

  it('has a profile of the connections that are taken, and of the jobs that wait', async () => {
    const url = await start();
    const index = await (await fetch(`${url}/debug/pprof/`)).text();
    expect(index).toContain('Connections that are taken, by the stack that took them.');
    expect(index).toContain('Jobs that wait, by kind.');

    for (const id of [1, 2, 3]) expect((await fetch(`${url}/orders/${id}`)).status).toBe(200);
    expect((await profile(url, 'db_connections')).samples).toEqual([]);
    for (const id of [7, 8, 9]) expect((await fetch(`${url}/orders/${id}`)).status).toBe(404);
    const leak = await profile(url, 'db_connections');
    expect(leak.samples.map(({ values }) => values)).toEqual([{ db_connections: 3 }]);
    expect(leak.places.slice(0, 2)).toMatchObject([
      { name: 'DatabasePool.take', ...placeOf('database-pool.ts', 'this.taken.add(connection)') },
      { name: 'OrdersController.one', ...placeOf('orders.controller.ts', TAKEN_BY_ONE, 'async one(') },
    ]);

    for (const id of [1, 2, 3]) await fetch(`${url}/orders/${id}/reminders`, { method: 'POST' });
    const jobs = await profile(url, 'jobs');
    expect([jobs.flat('jobs', 'mail'), jobs.flat('jobs', 'invoice')]).toEqual([3, 1]);
  });

  describeGo('go tool pprof', () => {
    it('finds the leak as its README says', async () => {
      const url = await start();
      for (let id = 1; id <= 9; id++) await fetch(`${url}/orders/${id}`);
      const address = `${url}/debug/pprof/db_connections`;
      const rows = topRows(await goPprof('-top', address));
      expect(rows.get('DatabasePool.take')).toMatchObject({ flat: '6', cum: '6' });
      expect(rows.get('OrdersController.one')).toMatchObject({ flat: '0', cum: '6' });
      expect([...rows.keys()]).not.toContain('list');
      const listed = await goPprof('-list', '\\.one$', address);
      const { line } = placeOf('orders.controller.ts', TAKEN_BY_ONE, 'async one(');
      expect(listed).toMatch(
        new RegExp(`^ +\\. +6 +${line}: +const connection = await this\\.pool\\.take`, 'm'),
      );
    });

    it('shows the text of a profile that counts, with names', async () => {
      const url = await start();
      for (let id = 1; id <= 9; id++) await fetch(`${url}/orders/${id}`);
      const address = `${url}/debug/pprof/db_connections?debug=1`;
      expect(await (await fetch(address)).text()).toMatch(/^db_connections profile: total 6\n6 @ 0x/);
      expect(topRows(await goPprof('-top', address)).get('OrdersController.one')).toMatchObject({ cum: '6' });
    });
  });
});

const TAKEN_BY_ONE = 'await this.pool.take()';

/** Of a file of the sample: the first line with a text, after one with another. */
function placeOf(name: string, text: string, after = ''): { file: string; line: number } {
  const file = join(SAMPLE, 'src', name);
  const code = readFileSync(file, 'utf8');
  const at = code.indexOf(text, code.indexOf(after));
  return { file, line: code.slice(0, at).split('\n').length };
}

/** As `npm start` does, against the library of this tree. */
async function build(): Promise<void> {
  mkdirSync(BUILT, { recursive: true });
  const project = join(BUILT, 'tsconfig.json');
  const config = {
    extends: join(SAMPLE, 'tsconfig.json'),
    compilerOptions: {
      rootDir: join(SAMPLE, 'src'),
      outDir: BUILT,
      paths: { 'nestjs-pprof': [join(ROOT, 'dist/esm/index.d.ts')] },
    },
    include: [join(SAMPLE, 'src')],
  };
  writeFileSync(project, JSON.stringify(config));
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const compiled = promisify(execFile)(process.execPath, [compiler, '-p', project]);
  await compiled.catch(({ stdout }: { stdout: string }) => Promise.reject(new Error(stdout)));
}

/** Its address. */
async function start(): Promise<string> {
  const flags = ['--import', appFile('end-with-stdin.mjs')];
  const app = new TestProcess(process.execPath, [...flags, join(BUILT, 'main.js')], { PORT: '0' });
  const [, url] = await app.printed(/ at (http\S+)\/debug\/pprof\//);
  return url!;
}

async function profile(url: string, name: string): Promise<DecodedProfile> {
  const answer = await fetch(`${url}/debug/pprof/${name}`);
  return new DecodedProfile(Buffer.from(await answer.arrayBuffer()));
}
