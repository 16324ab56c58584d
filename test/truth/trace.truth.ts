import { spawnSync } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { basename, dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readGoTrace } from '../support/go-trace-reader.js';
import { goTraceProfile, traceFile } from '../support/go-trace-tool.js';
import { request } from '../support/http.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { readTraceEvents } from '../support/trace-event-reader.js';

/** The binaries of Node to ask, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.TRUTH_NODES ?? process.execPath).split(':');
/** The same for Go. */
const GOS = (process.env.TRUTH_GOS ?? 'go').split(':');

const versionOf = (node: string): string =>
  node === process.execPath ? process.version : basename(dirname(dirname(node)));
const SERVERS = NODES.flatMap((node) =>
  ['express', 'fastify'].map((adapter) => ({
    node,
    adapter,
    subject: `Node ${versionOf(node)}, ${adapter}`,
  })),
);

const describeGo = GOS.every((go) => spawnSync(go, ['version']).status === 0) ? describe : describe.skip;

const start = (node: string, env: Readonly<Record<string, string>> = {}): Promise<Workload> =>
  startWorkload('trace.mjs', { env, flags: ['--expose-gc'], node });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Fetches a trace. */
async function trace(app: Workload, query: string): Promise<Buffer> {
  const { status, body } = await request(app.pprof(`trace?${query}`));
  if (status !== 200) throw new Error(`trace?${query}: ${status} ${body}\n${app.process.output}`);
  return body;
}

/** Has all readers read a trace. */
async function expectReadable(name: string, bytes: Buffer): Promise<void> {
  const file = traceFile(`${name.replaceAll(/\W/g, '-')}.trace`, bytes);
  for (const go of GOS) await goTraceProfile(go, file, 'sched');
  readGoTrace(bytes);
}

/** A generator of numbers from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Sends a request, and leaves after so many ms if it has not ended then. */
function send(url: string, method: string, body?: Buffer, leaveAfter?: number): Promise<unknown> {
  return new Promise((resolve) => {
    const one = httpRequest(url, { method, agent: false }, (response) =>
      response.resume().on('end', resolve).on('error', resolve),
    );
    one.on('error', resolve).end(body);
    if (leaveAfter !== undefined) setTimeout(() => one.destroy(), leaveAfter);
    one.on('close', resolve);
  });
}

/** Routes of the service, as random clients use them. */
const ROUTES: readonly ((url: string, random: () => number) => Promise<unknown>)[] = [
  ...Array.from(
    { length: 4 },
    () => (url: string, random: () => number) => send(`${url}/random/${Math.floor(random() * 1e9)}`, 'GET'),
  ),
  (url) => send(`${url}/cats/7`, 'GET'),
  (url) => send(`${url}/cats/none`, 'GET'),
  (url) => send(`${url}/nowhere`, 'GET'),
  (url) => send(`${url}/pooled`, 'POST'),
  (url) => send(`${url}/mixed`, 'POST'),
  (url) => send(`${url}/threadPool`, 'POST'),
  (url) => send(`${url}/ticks`, 'GET'),
  (url, random) => send(`${url}/ticks`, 'GET', undefined, random() * 20),
  (url, random) => send(`${url}/hang`, 'GET', undefined, random() * 50),
  (url, random) => send(`${url}/mixed`, 'POST', undefined, random() * 50),
  (url, random) => send(`${url}/upload`, 'POST', Buffer.alloc(random() * 300_000)),
];

/** Sends random requests, some of them at the same time, while work is done. */
async function underLoad<T>(
  app: Workload,
  seed: number,
  clients: number,
  work: () => Promise<T>,
): Promise<T> {
  const random = randomFrom(seed);
  const over = new AbortController();
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await ROUTES[Math.floor(random() * ROUTES.length)]!(app.url, random);
      if (random() < 0.3) await sleep(random() * 30);
    }
  };
  const load = Array.from({ length: clients }, client);
  try {
    return await work();
  } finally {
    over.abort();
    await Promise.all(load);
  }
}

/** Traces of different kinds, by what is special about them. */
const KINDS: Readonly<Record<string, (app: Workload) => Promise<Buffer>>> = {
  'of 0.05 s of an idle service': (app) => trace(app, 'seconds=0.05'),
  'of 1 s of an idle service': (app) => trace(app, 'seconds=1'),
  'of 0.001 s under load': (app) => underLoad(app, 1, 8, () => trace(app, 'seconds=0.001')),
  'of 0.05 s under load': (app) => underLoad(app, 2, 8, () => trace(app, 'seconds=0.05')),
  'of 10 s under load': (app) => underLoad(app, 3, 8, () => trace(app, 'seconds=10')),
  'of a service with requests that hang': async (app) => {
    const clients = Array.from({ length: 20 }, () => send(`${app.url}/hang`, 'GET', undefined, 1500));
    await sleep(100);
    const bytes = await underLoad(app, 4, 4, () => trace(app, 'seconds=1'));
    await Promise.all(clients);
    return bytes;
  },
  'of worker threads from before the trace, begun and ended in it': async (app) => {
    await app.post('startWorker');
    await app.post('startWorker');
    return underLoad(app, 5, 4, async () => {
      const traced = trace(app, 'seconds=1.5');
      await sleep(300);
      await app.post('startWorker');
      await sleep(300);
      await app.post('stopWorkers');
      await app.post('startWorker');
      const bytes = await traced;
      await app.post('stopWorkers');
      return bytes;
    });
  },
  'after traces whose client has left': (app) =>
    underLoad(app, 6, 4, async () => {
      for (const ms of [10, 50, 150, 400, 700])
        await send(app.pprof('trace?seconds=5'), 'GET', undefined, ms);
      return whenFree(app, 'seconds=0.5');
    }),
  'beside a CPU profile': (app) =>
    underLoad(app, 7, 4, async () => {
      const profile = app.profile('profile?seconds=1');
      const bytes = await trace(app, 'seconds=1.5');
      await profile;
      return bytes;
    }),
  'beside profiles of waits and allocations': (app) =>
    underLoad(app, 8, 4, async () => {
      const others = ['block?seconds=1', 'goroutine?seconds=1', 'mutex?seconds=1', 'allocs?seconds=1'];
      const profiles = others.map((path) => app.profile(path));
      const bytes = await trace(app, 'seconds=1.5');
      await Promise.all(profiles);
      return bytes;
    }),
};

/** The service may need a moment to notice that a client has left. */
async function whenFree(app: Workload, query: string): Promise<Buffer> {
  for (;;) {
    const { status, body, text } = await request(app.pprof(`trace?${query}`));
    if (status === 200) return body;
    if (!/enabled|busy|in use/i.test(text)) throw new Error(`${status} ${text}`);
  }
}

describeGo('go tool trace', () => {
  describe.each(SERVERS)('reads traces of $subject', ({ node, adapter, subject }) => {
    describe.each(['off', 'auto'])('warm: %s', (warm) => {
      let app: Workload;
      beforeAll(async () => {
        app = await start(node, { ADAPTER: adapter, WARM: warm });
      });
      afterAll(() => TestProcess.stopAll());

      it.each(Object.keys(KINDS))('%s', async (kind) => {
        await expectReadable(`${subject} ${warm} ${kind}`, await KINDS[kind]!(app));
      });
    });
  });

  /** As many as the issue has it. */
  const TRACES = Math.ceil(200 / SERVERS.length);

  describe.each(SERVERS)(
    `reads ${TRACES} traces of random work on $subject`,
    ({ node, adapter, subject }) => {
      afterAll(() => TestProcess.stopAll());

      it('without a parse error, and the JSON of some', async () => {
        const app = await start(node, { ADAPTER: adapter });
        const failures: string[] = [];
        for (let seed = 0; seed < TRACES; seed++) {
          const random = randomFrom(seed);
          const seconds = 0.05 + random() * 0.4;
          const clients = 1 + Math.floor(random() * 8);
          await underLoad(app, seed, clients, async () => {
            const bytes = await trace(app, `seconds=${seconds}`);
            await expectReadable(`${subject} ${seed}`, bytes).catch((error: Error) =>
              failures.push(`seed ${seed}: ${error.message}`),
            );
            if (seed % 5 === 0) readTraceEvents(`${await trace(app, `seconds=${seconds}&format=json`)}`);
          });
        }
        expect(failures).toEqual([]);
      }, 900_000);
    },
  );
});
