import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { until } from '../../test/support/async.js';
import { InspectorSession } from './inspector-session.js';
import { OWN_WORKER, watchWorkers } from './worker-creation.js';

/** What connects to the inspector: the real one, or a made-up one. */
let connect: () => unknown;
jest.unstable_mockModule('./inspector-session.js', () => ({
  InspectorSession: function () {
    return connect();
  },
}));
const { workerStacks } = await import('./worker-stacks.js');

describe('workerStacks', () => {
  beforeEach(() => void (connect = () => new InspectorSession()));

  it('returns the stack of a worker with its lines, and the worker continues unchanged', async () => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `class Jobs {
         take(flag) {
           Atomics.wait(flag, 0, 0);
         }
       }
       const { parentPort, workerData } = require('node:worker_threads');
       const known = ({ prepareStackTrace, stackTraceLimit }) => [String(prepareStackTrace), stackTraceLimit];
       const before = known(Error);
       new Jobs().take(workerData);
       parentPort.postMessage([before, known(Error)]);`,
      { eval: true, name: 'jobs', workerData: flag },
    );
    const message = once(worker, 'message') as Promise<[unknown[]]>;
    const { threadId } = worker;
    const takes = async () => (await workerStacks()).find((one) => one.threadId === threadId);
    const found = await until(takes, (one) => (one?.stack?.[0]?.name === 'Atomics.wait' ? [] : [one]));
    expect(found!.name).toBe('jobs');
    expect(found!.stack!.slice(1, 3)).toMatchObject([
      { name: 'Jobs.take', filename: '[worker eval]', line: 3 },
      { name: '', filename: '[worker eval]', line: 9 },
    ]);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    const [[before, after]] = await message;
    expect(after).toEqual(before);
    await worker.terminate();
  });

  it('has an empty stack for a worker that waits in its event loop, and does not wake it', async () => {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', (message) => parentPort.postMessage(message));`,
      { eval: true },
    );
    await until(workerStacks, (found) => (found[0]?.stack?.length === 0 ? [] : found));
    worker.postMessage('ping', []);
    expect(await once(worker, 'message')).toEqual(['ping']);
    await worker.terminate();
    expect(await workerStacks()).toEqual([]);
  });
});

type Listener = (params: object) => void;

/** The answer of a worker. */
interface Reply {
  readonly result?: object;
  readonly error?: object;
}

const rows = (...names: string[]): Reply => ({
  result: { result: { value: names.map((name) => ['Jobs', name, '/app/jobs.js', 7]) } },
});

/** Workers by title: what they answer, nothing, or that they end. */
class MadeUpSession {
  readonly attached = new Map<string, Reply | 'ends' | undefined>();
  /** Workers that V8 was to forget console calls of. */
  readonly forgetful: string[] = [];
  isClosed = false;
  private readonly listeners = new Map<string, Listener>();

  constructor(private readonly workers: Record<string, Reply | 'ends' | undefined>) {}

  on(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }

  post(method: string, params: { sessionId: string; message: string }): void {
    if (method === 'NodeWorker.enable') for (const title of Object.keys(this.workers)) this.attach(title);
    if (method === 'NodeWorker.detach') this.detach(params.sessionId);
    if (method === 'NodeWorker.sendMessageToWorker') this.send(params);
  }

  close(): void {
    this.isClosed = true;
  }

  private attach(title: string): void {
    this.attached.set(title, this.workers[title]);
    this.tell('attachedToWorker', { sessionId: title, workerInfo: { title } });
  }

  private detach(sessionId: string): void {
    if (!this.attached.delete(sessionId)) throw new Error('no such session');
    this.tell('detachedFromWorker', { sessionId });
  }

  private send({ sessionId, message }: { sessionId: string; message: string }): void {
    if (!this.attached.has(sessionId)) throw new Error('no such session');
    const { id, method } = JSON.parse(message) as { id: number; method: string };
    if (method === 'Runtime.discardConsoleEntries') this.forgetful.push(sessionId);
    const reply = method === 'Runtime.evaluate' ? this.attached.get(sessionId) : { result: {} };
    if (reply === 'ends') this.detach(sessionId);
    else if (reply) {
      const answer = JSON.stringify({ id, ...reply });
      this.tell('receivedMessageFromWorker', { sessionId, message: answer });
    }
  }

  private tell(event: string, params: object): void {
    this.listeners.get(`NodeWorker.${event}`)!(params);
  }
}

/** Of a worker thread. */
class UnableSession extends MadeUpSession {
  override post(): void {
    throw new Error("'NodeWorker.enable' wasn't found");
  }
}

describe('workerStacks with workers that', () => {
  let session: MadeUpSession;
  const ask = (workers: Record<string, Reply | 'ends' | undefined>): ReturnType<typeof workerStacks> => {
    session = new MadeUpSession(workers);
    connect = () => session;
    return workerStacks();
  };
  afterEach(() => {
    jest.useRealTimers();
  });

  it('answer at once are all asked, in the order of their ids', async () => {
    const found = await ask({ '[worker 12] mail': rows('send', 'run'), '[worker 3]': rows() });
    expect(found).toEqual([
      { threadId: 3, name: '', stack: [] },
      {
        threadId: 12,
        name: 'mail',
        stack: ['send', 'run'].map((name) => ({ name: `Jobs.${name}`, filename: '/app/jobs.js', line: 7 })),
      },
    ]);
    expect(session.forgetful).toEqual(['[worker 12] mail', '[worker 3]']);
    expect([session.attached.size, session.isClosed]).toEqual([0, true]);
  });

  it('end meanwhile have no stack', async () => {
    const found = await ask({ '[worker 1] mail': 'ends', '[worker 2] WorkerThread': rows() });
    expect(found).toEqual([
      { threadId: 1, name: 'mail', stack: undefined },
      { threadId: 2, name: '', stack: [] },
    ]);
  });

  it.each<[string, Reply]>([
    ['throw', { result: { result: { type: 'object', value: {} }, exceptionDetails: {} } }],
    ['refuse', { error: { code: -32000, message: 'no' } }],
  ])('%s have no stack', async (_, reply) => {
    expect(await ask({ '[worker 1]': reply })).toEqual([{ threadId: 1, name: '', stack: undefined }]);
  });

  it('do not answer are waited for 100 ms', async () => {
    jest.useFakeTimers();
    const asked = ask({ '[worker 1] native': undefined, '[worker 2] mail': rows() });
    await jest.advanceTimersByTimeAsync(99);
    expect(session.isClosed).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    expect(await asked).toEqual([
      { threadId: 1, name: 'native', stack: undefined },
      { threadId: 2, name: 'mail', stack: [] },
    ]);
    expect(session.forgetful).toEqual(['[worker 2] mail', '[worker 1] native']);
    expect([session.attached.size, session.isClosed]).toEqual([0, true]);
  });

  it('belong to the library are omitted', async () => {
    expect(await ask({ [`[worker 1] ${OWN_WORKER}`]: rows() })).toEqual([]);
  });

  it.each<[string, () => unknown]>([
    [
      'no inspector',
      () => {
        throw new Error('no inspector');
      },
    ],
    ['an inspector that knows no workers', () => new UnableSession({})],
  ])('cannot be asked, for %s, have no stacks', async (_, session) => {
    const stop = watchWorkers();
    const worker = new Worker('setInterval(() => {}, 1e6)', { eval: true });
    connect = session;
    expect(await workerStacks()).toMatchObject([{ threadId: worker.threadId, stack: undefined }]);
    stop();
    await worker.terminate();
  });
});
