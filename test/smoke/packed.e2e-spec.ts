import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkRow, CONTRACT } from '../support/contract.js';
import { describeGo, goPprof, runGoPprof } from '../support/go.js';
import { request } from '../support/http.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { TestProcess } from '../support/process.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const APP = fileURLToPath(new URL('app', import.meta.url));

/** What an application installs beside us, in the versions that these tests run with. */
const BESIDE = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/platform-express',
  '@nestjs/platform-fastify',
  '@types/node',
  'reflect-metadata',
  'rxjs',
];

const INSTALL_MS = 240_000;

const APPLICATIONS = ['main.mjs', 'main.cjs'].flatMap((file) =>
  ['express', 'fastify'].map((adapter) => ({ file, adapter })),
);

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-packed-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let tarball: string;
let installed: string;

beforeAll(async () => {
  // Not with its scripts: the build is there, and other tests run beside this one.
  const packed = await run(
    ROOT,
    'npm',
    'pack',
    '--ignore-scripts',
    '--silent',
    '--pack-destination',
    directory,
  );
  tarball = join(directory, packed.trim());
  installed = await install('installed');
}, INSTALL_MS);

describe.each(APPLICATIONS)('the package as npm installs it, in $file on $adapter', ({ file, adapter }) => {
  describe('without guards', () => {
    let app: App;
    beforeAll(async () => {
      app = await start(installed, file, { ADAPTER: adapter });
    });
    afterAll(() => TestProcess.stopAll());

    it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

    it('samples with the package pprof, which npm built, and says nothing about it', async () => {
      expect(await samplersOf(app)).toEqual({ profile: 'pprof', heap: 'pprof' });
      expect(noticesOf(app)).toEqual([]);
    });
  });

  describe('behind a guard that asks for a password', () => {
    let app: App;
    beforeAll(async () => {
      app = await start(installed, file, { ADAPTER: adapter, GUARD: '1' });
    });
    afterAll(() => TestProcess.stopAll());

    it.each(['/', '/cmdline', '/heap', '/profile?seconds=1', '/nope'])(
      '%s is 401 to those who have none, and says what it takes',
      async (path) => {
        const { status, headers } = await request({ base: app.base, path });
        expect({ status, asks: headers['www-authenticate'] }).toEqual({
          status: 401,
          asks: 'Basic realm="ops"',
        });
      },
    );

    describeGo('go tool pprof', () => {
      it.each(['heap', 'profile?seconds=1'])('reads /%s with the password in the address', async (path) => {
        const address = app.base.replace('//', '//user:pass@');
        expect(await goPprof('-top', `${address}/${path}`)).toMatch(/^Type: (inuse_space|cpu)$/m);
      });

      it('prints the refusal without', async () => {
        const { code, output } = await runGoPprof('-top', `${app.base}/heap`);
        expect(code).not.toBe(0);
        expect(output).toContain('401 Unauthorized');
      });
    });
  });
});

describe.each(['--omit=optional', '--ignore-scripts'])('where npm installed with %s', (option) => {
  let without: string;
  beforeAll(async () => {
    without = await install(`without${option}`, option);
  }, INSTALL_MS);

  describe.each(APPLICATIONS)('$file on $adapter', ({ file, adapter }) => {
    afterAll(() => TestProcess.stopAll());

    it('samples with node:inspector, and says so in one line', async () => {
      const app = await start(without, file, { ADAPTER: adapter });
      expect(noticesOf(app)).toEqual([
        expect.stringMatching(/LOG \[PprofModule\] The optional package pprof cannot be loaded \(.+\)/),
      ]);
      expect(await samplersOf(app)).toEqual({ profile: 'inspector', heap: 'inspector' });
      expect(noticesOf(app)).toHaveLength(1);
    });
  });
});

describe('the types of the package as npm installs it', () => {
  const CONSUMER = `
    import { Module } from '@nestjs/common';
    import { type CapturedProfile, PprofModule, type PprofModuleOptions, ProfilerService } from 'nestjs-pprof';

    const options: PprofModuleOptions = { path: 'ops/pprof', cmdline: { redact: [/secret/] } };

    @Module({ imports: [PprofModule.forRoot(options)] })
    export class AppModule {}

    export const capture = (profiler: ProfilerService): Promise<CapturedProfile> =>
      profiler.cpuProfile({ seconds: 1 });

    // @ts-expect-error: the types are ours, and not any
    PprofModule.forRoot({ path: 1 });
    // @ts-expect-error: the same of the service
    export const wrong = (profiler: ProfilerService) => profiler.cpuProfile({ seconds: 'one' });
  `;

  it.each([
    { who: 'an ES module', file: 'consumer.mts', module: 'nodenext', resolution: 'nodenext' },
    { who: 'a CommonJS module', file: 'consumer.cts', module: 'nodenext', resolution: 'nodenext' },
    { who: 'a bundler', file: 'consumer.ts', module: 'esnext', resolution: 'bundler' },
    { who: 'the classic resolution', file: 'consumer.ts', module: 'commonjs', resolution: 'node10' },
  ])('fit $who ($resolution)', async ({ file, module, resolution }) => {
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--experimentalDecorators', '--pretty', 'false'];
    const settings = ['--target', 'es2022', '--types', 'node', '--ignoreDeprecations', '6.0'];
    const how = ['--module', module, '--moduleResolution', resolution];
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    writeFileSync(join(installed, file), CONSUMER);
    const said = run(installed, process.execPath, compiler, ...flags, ...settings, ...how, file);
    await expect(said).resolves.toBe('');
  });
});

interface App {
  readonly process: TestProcess;
  /** Of the index, without its slash. */
  readonly base: string;
}

async function start(where: string, file: string, env: Record<string, string>): Promise<App> {
  const child = new TestProcess(process.execPath, [join(where, file)], { GUARD: '', ...env });
  const [, url] = await child.printed(/^ready (.+)\n/m);
  return { process: child, base: `${url}/api/ops/pprof` };
}

/** Who sampled, as both profiles tell. */
async function samplersOf({ base }: App): Promise<Record<'profile' | 'heap', string | undefined>> {
  const samplerOf = async (path: string): Promise<string | undefined> => {
    const { comments } = new DecodedProfile((await request({ base, path })).body);
    return /\bby (\w+)/.exec(comments.join('\n'))?.[1];
  };
  return { profile: await samplerOf('/profile?seconds=1'), heap: await samplerOf('/heap') };
}

/** What an application said about samplers. */
function noticesOf(app: App): string[] {
  return app.process.output.split('\n').filter((line) => /cannot be loaded|node:inspector/.test(line));
}

/** A fresh directory with the application, and all it needs from npm. */
async function install(name: string, ...options: string[]): Promise<string> {
  const where = join(directory, name);
  cpSync(APP, where, { recursive: true });
  writeFileSync(join(where, 'package.json'), '{ "name": "app", "private": true }');
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund'];
  await run(where, 'npm', 'install', ...quiet, ...options, tarball, ...BESIDE.map(asHere));
  return where;
}

function asHere(name: string): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  return `${name}@${version}`;
}

/** Runs a program with this Node, and outside of the npm that may have started the tests. */
async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  const ours = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(nodedir|cache|registry|userconfig|loglevel))|INIT_CWD|NODE_)/.test(name),
  );
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  try {
    const env = { ...Object.fromEntries(ours), PATH: path };
    return (await promisify(execFile)(program, args, { cwd, env, maxBuffer: 2 ** 26 })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
}
