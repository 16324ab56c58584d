import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inParallel, until } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';
import { TestProcess, Workload } from '../support/process.js';
import { Sample } from '../support/sample.js';

const sample = new Sample('01-basic');

// Each is shown under its own name since V8 does not inline it: one is too large, and the other goes on after an `await`.
const HOT = 'SearchService.similarity';
const LEAK = 'RecommendationsCache.remember';

/** V8 samples about ten of the arrays that they leave. */
const VISITORS = 200;

describe('sample/01-basic', () => {
  let shop: Workload;
  let script: string;

  const start = (port: string): TestProcess => new TestProcess(process.execPath, [script], { PORT: port });

  beforeAll(async () => {
    script = await sample.build();
    const process = start('0');
    const [, url] = await process.printed(/^Open (http:\/\/localhost:\d+)\/debug\/pprof\/\n[^]*Ctrl-C/m);
    shop = new Workload(process, [url!]);
  });
  afterAll(async () => {
    await TestProcess.stopAll();
    sample.clean();
  });

  it('prints commands with its own address, and the absolute path of its README', () => {
    const addresses = shop.process.output.match(/http:\/\/localhost[^/\s]*/g)!;
    expect(new Set(addresses)).toEqual(new Set([shop.url]));
    const [, readme] = /^(\/.*) shows what/m.exec(shop.process.output)!;
    expect(existsSync(readme!)).toBe(true);
  });

  it('profile shows SearchService.similarity first of all functions of the shop while its customers search', async () => {
    const first = await until(
      async () => {
        const profile = await shop.profile('profile?seconds=1');
        const own = namesIn(`${sample.home}src/`, profile);
        return ranked(profile, 'cpu').find((name) => own.has(name));
      },
      (name) => (name === HOT ? [] : [`${HOT}, not ${name}`]),
    );
    expect(first).toBe(HOT);
  });

  it('heap shows RecommendationsCache.remember first of all functions after some hundred visitors', async () => {
    let visitors = 0;
    const first = await until(
      async () => {
        const newcomers = Array.from({ length: VISITORS }, () => `test-${visitors++}`);
        await inParallel(newcomers, async (visitor) => {
          const { status } = await request(`${shop.url}/visitors/${visitor}/recommendation`);
          expect(status).toBe(200);
        });
        return ranked(await shop.profile('heap?gc=1'), 'inuse_space')[0];
      },
      (name) => (name === LEAK ? [] : [`${LEAK}, not ${name}`]),
    );
    expect(first).toBe(LEAK);
  });

  it('says so if its port is in use, and ends with 1', async () => {
    const second = start(new URL(shop.url).port);
    expect(await second.exited).toBe(1);
    expect(second.stderr).toMatch(/^cannot listen on port \d+; choose another one: PORT=8080 npm start\n/m);
  });

  it('ends with its customers by SIGTERM', async () => {
    shop.process.kill('SIGTERM');
    await shop.process.exited; // and so are the customers, whose output is the same stream
    expect(shop.process.output).not.toMatch(/ERROR|WARN/);
  });
});

/** Functions in files of a folder. */
function namesIn(folder: string, { places }: DecodedProfile): Set<string> {
  return new Set(places.filter(({ file }) => file.startsWith(folder)).map(({ name }) => name));
}

/** Functions by what they have of a type themselves, the largest first. */
function ranked({ samples }: DecodedProfile, type: string): string[] {
  const flat = new Map<string, number>();
  for (const { stack, values } of samples) flat.set(stack[0]!, (flat.get(stack[0]!) ?? 0) + values[type]!);
  return [...flat].sort(([, a], [, b]) => b - a).map(([name]) => name);
}
