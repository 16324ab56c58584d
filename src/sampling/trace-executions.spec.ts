import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { AsyncResource } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Execution, ExecutionRecorder, type ExecutionSink } from './trace-executions.js';

interface Told {
  readonly what: string;
  readonly at: number;
  readonly of: Execution | undefined;
  readonly more?: unknown;
}

/** What was told, in order of time. */
class Notes implements ExecutionSink {
  readonly failures: Error[] = [];
  private readonly told: Told[] = [];

  execution(at: number, of: Execution): void {
    this.told.push({ what: 'begins', at, of });
  }
  run(at: number, of: Execution): void {
    this.told.push({ what: 'runs', at, of });
  }
  idle(at: number): void {
    this.told.push({ what: 'idle', at, of: undefined });
  }
  wait(
    at: number,
    of: Execution,
    cause: string,
    stack: readonly { functionName: string }[] | undefined,
  ): void {
    this.told.push({
      what: `waits for ${cause}`,
      at,
      of,
      more: stack?.map(({ functionName }) => functionName),
    });
  }
  wake(at: number, of: Execution, by: Execution | undefined): void {
    this.told.push({ what: 'woken', at, of, more: by });
  }
  ended(at: number, of: Execution): void {
    this.told.push({ what: 'ends', at, of });
  }
  failed(error: Error): void {
    this.failures.push(error);
  }

  of(execution: Execution): Told[] {
    return this.told.filter(({ of }) => of === execution).sort((a, b) => a.at - b.at);
  }

  /** How long it waited for something, in ms. */
  waited(execution: Execution, cause: string): number {
    const told = this.of(execution);
    return told.reduce((sum, { what, at }, i) => {
      const woken = told.slice(i).find((one) => one.what === 'woken');
      return sum + (what === `waits for ${cause}` ? ((woken?.at ?? at) - at) / 1e6 : 0);
    }, 0);
  }

  /** How long it ran, in ms. */
  ran(execution: Execution): number {
    const told = this.of(execution);
    return told.reduce((sum, { what, at }, i) => {
      const next = told.slice(i + 1).find((one) => /^waits|^ends/.test(one.what));
      return sum + (what === 'runs' && next ? (next.at - at) / 1e6 : 0);
    }, 0);
  }

  started(name: string): Execution[] {
    return this.told.flatMap(({ what, of }) => (what === 'begins' && of?.name === name ? [of] : []));
  }
}

const recorders: ExecutionRecorder[] = [];
afterEach(() => {
  for (const recorder of recorders.splice(0)) recorder.stop();
});

function record(): { recorder: ExecutionRecorder; notes: Notes } {
  const notes = new Notes();
  const recorder = new ExecutionRecorder(notes);
  recorders.push(recorder);
  recorder.start();
  return { recorder, notes };
}

/** What a request's listener does: an execution begins in a callback, and all that follows is its own. */
async function execute(recorder: ExecutionRecorder, work: () => Promise<unknown>): Promise<Execution> {
  const execution = recorder.begin('request');
  recorder.tell(execution);
  await new AsyncResource('REQUEST').runInAsyncScope(async () => {
    recorder.enter(execution.context);
    await work();
    recorder.end(execution);
  });
  return execution;
}

function compute(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function nap(): Promise<void> {
  await sleep(5);
}

async function ask(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data');
  socket.destroy();
}

describe('executions', () => {
  it('run, and wait for what woke them: a timer, the network, a file', async () => {
    const server = createServer((socket) => setTimeout(() => socket.end('.'), 20)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { recorder, notes } = record();
    const execution = await execute(recorder, async () => {
      compute(5);
      await sleep(60);
      await ask((server.address() as AddressInfo).port);
      compute(5);
      await readFile(import.meta.filename);
    });
    recorder.stop();
    server.close();
    expect(notes.waited(execution, 'timer')).toBeGreaterThan(30);
    expect(notes.waited(execution, 'network')).toBeGreaterThan(12);
    expect(notes.of(execution).map(({ what }) => what)).toContain('waits for file');
    expect(notes.ran(execution)).toBeGreaterThan(9.5);
    expect(notes.of(execution)[0]!.what).toBe('begins');
    expect(notes.of(execution).at(-1)!.what).toBe('ends');
  });

  it('say where they began to wait', async () => {
    const { recorder, notes } = record();
    const execution = await execute(recorder, nap);
    recorder.stop();
    const wait = notes.of(execution).find(({ what }) => what === 'waits for timer');
    expect(wait!.more).toContain('nap');
  });

  it('are woken by whoever resolves their promise', async () => {
    const { recorder, notes } = record();
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const waiting = execute(recorder, () => opened);
    await sleep(5);
    const opening = execute(recorder, async () => {
      await sleep(1);
      open();
    });
    const [waiter, opener] = await Promise.all([waiting, opening]);
    recorder.stop();
    const woken = notes.of(waiter).filter(({ what, more }) => what === 'woken' && more === opener);
    expect(woken).toHaveLength(1);
    expect(notes.waited(waiter, 'promise')).toBeGreaterThan(4);
  });

  it('do not mix, whoever runs in between', async () => {
    const { recorder, notes } = record();
    const computed = [0, 0, 0];
    const works = [4, 16, 40].map((ms, which) =>
      execute(recorder, async () => {
        for (let i = 0; i < 3; i++) {
          const begin = performance.now();
          compute(ms);
          computed[which]! += performance.now() - begin;
          await sleep(1);
        }
      }),
    );
    const executions = await Promise.all(works);
    recorder.stop();
    for (const [i, execution] of executions.entries()) {
      expect(notes.ran(execution)).toBeGreaterThan(computed[i]! * 0.99);
      expect(notes.ran(execution)).toBeLessThan(computed[i]! * 1.5 + 20); // the machine may run something else
    }
  });

  it('could run from when their timer was due on, while somebody else did', async () => {
    const { recorder, notes } = record();
    const execution = execute(recorder, () => sleep(5));
    await setImmediate();
    compute(40);
    const slept = await execution;
    recorder.stop();
    expect(notes.waited(slept, 'timer')).toBeLessThan(10);
    const told = notes.of(slept);
    const woken = told.find(({ what }) => what === 'woken')!;
    const runs = told.find(({ what, at }) => what === 'runs' && at >= woken.at)!;
    expect((runs.at - woken.at) / 1e6).toBeGreaterThan(25);
  });

  it('are told of where they are not over when the recording ends', async () => {
    const { recorder, notes } = record();
    void execute(recorder, () => new Promise(() => {}));
    await sleep(2);
    recorder.stop();
    const [execution] = notes.started('request');
    expect(notes.of(execution!).at(-1)!.what).toBe('waits for promise');
  });

  it('begin by timers that nobody else began, and end with what follows from them', async () => {
    const { recorder, notes } = record();
    const done = new Promise<void>((resolve) => {
      setTimeout(function chain() {
        setTimeout(resolve, 2);
      }, 2);
    });
    await done;
    recorder.stop();
    expect(notes.started('chain')).toHaveLength(1);
    expect(notes.of(notes.started('chain')[0]!).at(-1)!.what).toBe('ends');
  });

  it('are told no more when something is what it cannot be, and the application goes on', async () => {
    const { notes } = record();
    const found = new AsyncResource('Timeout').runInAsyncScope(() => 'all is well'); // no timer at all
    expect(found).toBe('all is well');
    expect(notes.failures).toEqual([expect.any(TypeError)]);
    await nap();
    expect(notes.failures).toHaveLength(1);
  });

  it('may begin within what somebody has frozen', () => {
    const { recorder, notes } = record();
    const execution = recorder.begin('request');
    Object.freeze(new AsyncResource('REQUEST')).runInAsyncScope(() => recorder.enter(execution.context));
    recorder.end(execution);
    expect(notes.of(execution).at(-1)!.what).toBe('ends');
    expect(notes.failures).toEqual([]);
  });

  it('are nothing any more to the next recording', async () => {
    const first = record();
    let open!: () => void;
    void execute(first.recorder, () => new Promise<void>((resolve) => (open = resolve)));
    first.recorder.stop();
    const second = record();
    open();
    await setImmediate();
    second.recorder.stop();
    expect(second.notes.started('request')).toEqual([]);
  });
});
