import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { encodeProfile } from '../../src/format/encode.js';
import { finished } from '../../src/format/finished.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo } from '../support/go.js';
import { request } from '../support/http.js';
import { COUNTS, madeUpProfile } from '../support/made-up-profile.js';
import { codeBlocks, compileBlocks } from '../support/markdown.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

const DOCUMENTS = ['README.md', 'docs/in-code.md'];
const blocksIn = (language: string) => DOCUMENTS.flatMap((file) => codeBlocks(file, language));
const blocks = blocksIn('ts').map(({ code, place }) => ({
  place,
  code: code
    .replace('cpuProfile({ seconds: 5 }', 'cpuProfile({ seconds: 0.01 }')
    .replace('port: 6060', 'port: 0'),
}));
const shell = blocksIn('sh');
const URLS = [
  ...new Set(
    shell.flatMap(
      ({ code }) => code.match(/(?<=http:\/\/(localhost|my-service):\d+)\/debug\/pprof\/[^\s'#]*/g) ?? [],
    ),
  ),
];

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-readme-'));
const PPROF_PASSWORD = 'a b:c';
const authorization = `Basic ${Buffer.from(`pprof:${PPROF_PASSWORD}`).toString('base64')}`;

describe('the code of README.md and docs/in-code.md', () => {
  let compiled: ReturnType<typeof compileBlocks>;
  let workload: Workload;
  /** Address of the application of the block that has a text. */
  let withText: (text: string) => string;

  beforeAll(async () => {
    compiled = compileBlocks(directory, blocks);
    if (compiled.complaints) return; // one of them may be why it would not boot
    const env = {
      BLOCKS: JSON.stringify(compiled.files),
      BLOCKS_IN: directory,
      PPROF_PASSWORD,
      GIT_COMMIT: '1a2b3c',
    };
    workload = await startWorkload('blocks.mjs', { env });
    withText = (text) => {
      const index = blocks.findIndex(({ code }) => code.includes(text));
      return workload.urls[index]!;
    };
  });
  /** Address of one that has all that a command asks for. */
  const applicationFor = (command: string) =>
    withText(command.includes('db_connections') ? 'class DatabasePool' : 'forRoot()');
  afterAll(async () => {
    await TestProcess.stopAll();
    rmSync(directory, { recursive: true });
  });

  it('compiles without a complaint of TypeScript', () => {
    expect(compiled.complaints).toBe('');
  });

  it('boots, each block as an application that serves the index', async () => {
    const replies = await Promise.all(
      workload.urls.map((url) => request(workload.pprof('', url), { headers: { authorization } })),
    );
    const ofOurs = blocks.map(({ place, code }) => [place, code.includes('listen:') ? 404 : 200]);
    expect(replies.map(({ status }, i) => [blocks[i]!.place, status])).toEqual(ofOurs);
  });

  it('has a bare forRoot() that serves every profile to programs on this machine', async () => {
    const profile = await workload.profile('heap', withText('forRoot()'));
    expect(profile.sampleTypes).toContain('inuse_space');
  });

  it.each(['forRoot({ guards', 'forRootAsync({'])('has a guard for %s, with a password', async (text) => {
    const url = withText(text);
    for (const path of ['', 'heap', 'profile', 'nothing']) {
      const { status, headers } = await request(workload.pprof(path, url));
      expect({ path, status }).toEqual({ path, status: 401 });
      expect(headers['www-authenticate']).toBe('Basic realm="pprof"');
    }
    const wrong = await request(workload.pprof('heap', url), {
      headers: { authorization: `${authorization}A` },
    });
    expect(wrong.status).toBe(401);
    const { status } = await request(workload.pprof('heap', url), { headers: { authorization } });
    expect(status).toBe(200);
  });

  it('has a forRootAsync whose factory gets what it injects', async () => {
    const { body } = await request(workload.pprof('heap', withText('forRootAsync({')), {
      headers: { authorization },
    });
    expect(new DecodedProfile(body).comments).toContain('commit 1a2b3c');
  });

  it('has rates that switch profiles on', async () => {
    const url = withText('blockProfileRate: 1000');
    for (const name of ['block', 'mutex', 'goroutine']) {
      const { comments } = await workload.profile(name, url);
      expect(comments.filter((comment) => /is off/.test(comment))).toEqual([]);
    }
  });

  it('has a flight recorder', async () => {
    const { sampleTypes } = await workload.profile('profile?past=30', withText('flightRecorder'));
    expect(sampleTypes).toEqual(['samples', 'cpu']);
  });

  it('has a port for the endpoints alone', async () => {
    const [, url] = await workload.process.printed(/(http:\/\/127\.0\.0\.1:\d+)\/debug\/pprof\//);
    expect((await request(workload.pprof('heap', url))).status).toBe(200);
  });

  it('has captures in code', async () => {
    await workload.post('capture', withText('class SlowRequests'));
    const [cpu, heap] = ['cpu.pb.gz', 'heap.pb.gz'].map(
      (name) => new DecodedProfile(readFileSync(join(directory, name))),
    );
    expect(cpu!.sampleTypes).toEqual(['samples', 'cpu']);
    expect(heap!.sampleTypes).toContain('inuse_space');
  });

  it('has tasks and regions, and records a trace', async () => {
    await workload.post('record', withText('class ImportService'));
    const trace = readFileSync(join(directory, 'trace.out'), 'latin1');
    expect(trace).toMatch(/^go 1\./);
    for (const name of ['import', 'read', 'ImportService.save']) expect(trace).toContain(name);
  });

  it('has profiles of its own', async () => {
    const pool = withText('class DatabasePool');
    await workload.post('acquire', pool);
    await workload.post('acquire', pool);
    expect((await workload.profile('db_connections', pool)).total('db_connections')).toBe(2);
    expect((await workload.profile('jobs', withText('class JobsProfile'))).total('jobs')).toBe(3);
  });

  it('has an endpoint of its own', async () => {
    const { text } = await request(workload.pprof('uptime', withText('class UptimeController')));
    expect(text).toMatch(/^\d+(\.\d+)?\n$/);
  });

  it.each(URLS)('has a command for %s, which is served', async (path) => {
    const url = applicationFor(path);
    const { status, headers } = await request(url + path, { method: 'HEAD' });
    expect({ status, pprof: headers['cache-control'] }).toEqual({
      status: 200,
      pprof: 'no-store, no-transform',
    });
  });

  it('configures scrapers with the credentials of its guard, for endpoints that are served', async () => {
    const [parca] = blocksIn('yaml').map(
      ({ code }) => load(code) as { scrape_configs: [{ basic_auth: object }] },
    );
    expect(parca!.scrape_configs[0].basic_auth).toMatchObject({ username: 'pprof' });
    expect(blocksIn('alloy')[0]!.code).toMatch(/basic_auth \{\n +username += "pprof"\n +password_file = "/);
    for (const path of ['profile', 'allocs', 'goroutine', 'block', 'mutex']) {
      const url = workload.pprof(path, withText('forRoot({ guards'));
      const { status, headers } = await request(url, { method: 'HEAD', headers: { authorization } });
      expect({ path, status, type: headers['content-type'] }).toEqual({
        path,
        status: 200,
        type: 'application/octet-stream',
      });
    }
  });

  describeGo('its commands', () => {
    /** Blocks with commands that end by themselves, and what these must print. */
    const runnable = shell
      .map(({ code, place }) => ({
        place,
        commands: code.match(/^(curl|go tool pprof) .*\n/gm)?.join('') ?? '',
      }))
      .filter(({ commands }) => commands !== '')
      .map((block) => ({
        ...block,
        printed: /-list/.test(block.commands)
          ? 'line 7 of main.js'
          : /-top/.test(block.commands)
            ? 'flat%'
            : '',
      }));

    beforeAll(() => {
      const elsewhere = finished(
        encodeProfile(madeUpProfile(COUNTS, [{ stack: [7], values: [1] }], () => 'SearchService.find')),
      );
      writeFileSync(join(directory, 'cpu.pb.gz'), elsewhere);
      writeFileSync(join(directory, 'main.js'), '\n'.repeat(6) + 'line 7 of main.js\n');
    });

    it.each(runnable)('$place', async ({ commands, printed }) => {
      const script = commands
        .replace(/my-service:3000/g, withText('forRoot({ guards').replace('http://', ''))
        .replace(/http:\/\/localhost:\d+/g, applicationFor(commands))
        .replace(/seconds=\d+/g, 'seconds=1')
        .replace(/^curl /gm, 'curl -fsS ');
      const { stdout } = await promisify(execFile)('bash', ['-euc', `exec </dev/null\n${script}`], {
        cwd: directory,
        env: { ...process.env, PPROF_TMPDIR: directory, PPROF_PASSWORD: encodeURIComponent(PPROF_PASSWORD) },
      });
      expect(stdout).toContain(printed);
    });
  });
});
