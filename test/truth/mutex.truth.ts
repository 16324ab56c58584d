import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atMost, claim, within } from './claim.js';

/** The binaries of Node to ask, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.TRUTH_NODES ?? process.execPath).split(':');

/** No other V8 profiler runs, and no map is read. */
const QUIET = { MEM_RATE: '0', SOURCE_MAPS: 'off' };

/** The holds of mutex.mjs, each five times, by the functions that it calls. */
const HOLDS = {
  parseLarge: 'JSON.parse of 20 MB',
  loop200: 'a loop of 200 ms',
  readLarge: 'readFileSync of 200 MB',
  inImmediate: '500 immediates in a row',
  inPromise: '500 promises in a row',
};
const ROUNDS = 5;

type Times = Readonly<Record<keyof typeof HOLDS, number>>;

/** How long the holds were, and the CPU time of the process in them, in ms. */
interface Told {
  readonly lengths: Times;
  readonly cpu: Times;
}

afterEach(() => TestProcess.stopAll());

describe.each(NODES)('mutex on %s', (node) => {
  const version = node === process.execPath ? process.version : basename(dirname(dirname(node)));

  it('names what has held the event loop, and for how long', async () => {
    const app = await startWorkload('mutex.mjs', { env: QUIET, node });
    const { lengths } = await app.post<Told>('holds');
    claimHolds(`mutex, Node ${version}`, await app.profile('mutex'), lengths);
  });

  it('does so while profile runs', async () => {
    const app = await startWorkload('mutex.mjs', { env: QUIET, node });
    const profile = app.profile('profile?seconds=25');
    const { lengths, cpu } = await app.post<Told>('holds');
    claimHolds(`mutex while profile runs, Node ${version}`, await app.profile('mutex'), lengths);
    const ofCpu = (await profile).cumulative('cpu', 'loop200');
    const words = `profile while mutex is on, Node ${version}: has the CPU time of the loops of 200 ms`;
    claim(words, ofCpu / 1e6 / cpu.loop200, within(0.1));
  });

  it('has no hold of a healthy service under 50 connections', async () => {
    // On a busy machine V8's main thread waits for its helpers, which is a hold and nothing of the service's.
    const env = { ...QUIET, THRESHOLD: '20' };
    const app = await startWorkload('mutex.mjs', { env, node, flags: ['--single-threaded-gc'] });
    await load(app, 1000); // V8 compiles it
    const before = (await app.profile('mutex')).total('contentions');
    await load(app, 5000);
    const holds = (await app.profile('mutex')).total('contentions') - before;
    claim(`healthy service, Node ${version}: holds longer than 20 ms in 5,000 requests`, holds, atMost(0));
  });

  it('retains no logged object', async () => {
    const app = await startWorkload('mutex.mjs', { env: QUIET, node });
    const { logged, alive } = await app.post<Record<'logged' | 'alive', number>>('logged');
    // V8 may have the last one in a register.
    const words = `mutex, Node ${version}: of 1,000 logged objects so many are alive a second later`;
    claim(words, alive / logged, atMost(0.002));
  });
});

function claimHolds(subject: string, profile: DecodedProfile, lengths: Times): void {
  for (const [name, what] of Object.entries(HOLDS)) {
    const ms = lengths[name as keyof Times];
    const words = `${subject}: ${what}`;
    claim(`${words}: is a hold each time`, profile.cumulative('contentions', name) / ROUNDS, within(0));
    claim(`${words}: their time`, profile.cumulative('delay', name) / 1e6 / ms, within(0.1));
  }
}

/** So many requests, of 50 connections that rest in between: the service is busy for a fourth of the time or so. */
async function load(app: Workload, requests: number): Promise<void> {
  const connection = async (_: unknown, i: number): Promise<void> => {
    await sleep(2 * i);
    for (let made = 0; made < requests / 50; made++) {
      await request(`${app.url}/request`, { method: 'POST' });
      await sleep(100);
    }
  };
  await Promise.all(Array.from({ length: 50 }, connection));
}
