import { AsyncResource } from 'node:async_hooks';
import { EventEmitter, on, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { AsyncWaits, type Wait, type WaitObserver, type WaitSubscription } from './async-waits.js';
import type { RawFrame } from './sampler.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const FILE = fileURLToPath(import.meta.url);

/** Of a timer's time: on a busy machine much of it can pass between its start and the `await` after it. */
const AT_LEAST = 0.5;

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits once, for itself. */
async function leaf(ms: number): Promise<number> {
  await later(ms);
  return ms;
}

async function ofLeaf(ms: number): Promise<number> {
  return leaf(ms);
}

async function awaitsLeaf(ms: number): Promise<void> {
  await leaf(ms);
}

async function inLine(): Promise<void> {
  await later(20);
  await leaf(20);
  await later(20);
}

async function fails(): Promise<void> {
  await later(20).then(() => Promise.reject(new Error('refused')));
}

async function* ticks(): AsyncGenerator<number> {
  await later(20);
  yield 1;
  await later(20);
  yield 2;
}

async function asksTicks(): Promise<void> {
  for await (const tick of ticks()) if (tick === 2) return;
}

async function readsEvents(): Promise<void> {
  const emitter = new EventEmitter();
  setTimeout(() => emitter.emit('tick'), 8);
  for await (const event of on(emitter, 'tick')) if (event) return;
}

async function readsFile(): Promise<void> {
  await readFile(FILE);
}

/** As packages have them: V8 takes it for any object with a `then`. */
class Query extends Promise<void> {}

async function asksQuery(): Promise<void> {
  await new Query((resolve) => setTimeout(resolve, 6));
}

async function asksThenable(): Promise<void> {
  // oxlint-disable-next-line unicorn/no-thenable
  await { then: (resolve: (value: number) => void) => setTimeout(resolve, 6, 1) };
}

async function connects(ms: number): Promise<void> {
  await leaf(20);
  return later(ms);
}

async function asksConnected(ms: number): Promise<void> {
  await connects(ms);
}

async function asksCallback(ms: number): Promise<void> {
  await leaf(20).then(() => later(ms));
}

function calls(ms: number, callback: () => void): NodeJS.Timeout {
  return setTimeout(callback, ms);
}

async function asksIndirectly(): Promise<void> {
  await new Promise<void>((resolve) => calls(6, () => setImmediate(resolve)));
}

async function callsAndTurns(): Promise<void> {
  calls(5, () => {});
  await turn();
  await later(20);
}

async function callsNothing(): Promise<void> {
  clearTimeout(calls(2, () => {}));
  const every = setInterval(() => {}, 2);
  await turn();
  await later(10);
  clearInterval(every);
}

async function callsAndAwaits(): Promise<void> {
  calls(12, () => {});
  await leaf(3);
}

async function callsWithin(): Promise<void> {
  const waiting = leaf(8);
  AsyncResource.bind(() => {})();
  new AsyncResource('test').runInAsyncScope(() => {});
  await waiting;
}

async function joins(promise: Promise<unknown>): Promise<void> {
  await promise;
}

async function joinsToo(promise: Promise<unknown>): Promise<void> {
  await promise;
}

async function loses(): Promise<void> {
  await new Promise(() => {});
}

async function holds(by: unknown[]): Promise<void> {
  await new Promise((resolve) => by.push(resolve));
}

async function races(): Promise<void> {
  await Promise.race([new Promise(() => {}), later(1)]);
}

/** The function of this file that waits. */
const placeOf = ({ stack }: Wait): string | undefined => stack.find(({ url }) => url === FILE)?.functionName;

const waits = new AsyncWaits();
const open = new Set<WaitSubscription>();
afterEach(() => {
  for (const subscription of open) subscription.close();
  open.clear();
});

function subscribe(observer: WaitObserver, every = 1): WaitSubscription {
  const subscription = waits.subscribe(observer, every);
  open.add(subscription);
  return subscription;
}

interface Ended {
  readonly place: string | undefined;
  readonly state: string;
  readonly ms: number;
}

/** What is told of waits in this file of more than a ms while work is done, in the order of their ends. */
async function told(work: () => Promise<unknown>, observer: WaitObserver = {}): Promise<Ended[]> {
  const ended: Ended[] = [];
  await turn();
  const subscription = subscribe({
    callbacks: true,
    ended: (wait, ms) => ended.push({ place: placeOf(wait), state: wait.state, ms }),
    ...observer,
  });
  await work();
  await turn();
  subscription.close();
  return ended.filter(({ place, ms }) => place !== undefined && place !== 'told' && ms > 1);
}

async function toldPlaces(work: () => Promise<unknown>): Promise<(string | undefined)[]> {
  return (await told(work)).map(({ place }) => place);
}

/** Those that are open at some functions. */
function openAt(subscription: WaitSubscription, ...places: string[]): string[] {
  return waits.openOf(subscription).flatMap((wait) => {
    const place = placeOf(wait);
    return place !== undefined && places.includes(place) ? [place] : [];
  });
}

async function collectUntil(isEnough: () => boolean): Promise<void> {
  for (let i = 0; i < 20 && !isEnough(); i++) {
    await turn();
    gc();
  }
}

describe('a wait', () => {
  it('is told once, at its innermost await, with the time that it took', async () => {
    let took = 0;
    const [wait, ...more] = await told(async () => {
      const begin = performance.now();
      await ofLeaf(20);
      took = performance.now() - begin;
    });
    expect(more).toEqual([]);
    expect(wait).toMatchObject({ place: 'leaf', state: 'sleep' });
    expect(wait!.ms).toBeGreaterThan(AT_LEAST * 20);
    expect(wait!.ms).toBeLessThanOrEqual(took);
  });

  it('has the stack of those who called, and the same array for the same one', async () => {
    const stacks: (readonly RawFrame[])[] = [];
    await told(
      async () => {
        for (let i = 0; i < 3; i++) await awaitsLeaf(2);
      },
      { ended: ({ stack }) => stack[0]!.functionName === 'leaf' && stacks.push(stack) },
    );
    expect(stacks).toHaveLength(3);
    expect(new Set(stacks).size).toBeLessThan(3); // the first one may have been called by others
    expect(stacks[0]!.slice(0, 2).map(({ functionName }) => functionName)).toEqual(['leaf', 'awaitsLeaf']);
    expect(stacks[0]![0]).toMatchObject({ url: FILE, line: expect.any(Number) });
  });

  it('is told of each await of a function', async () => {
    expect(await toldPlaces(inLine)).toEqual(['inLine', 'leaf', 'inLine']);
  });

  it('that is refused is told as well', async () => {
    expect(await toldPlaces(() => fails().catch(() => {}))).toEqual(['fails']);
  });

  it('of several that run beside each other is told of each', async () => {
    expect(await toldPlaces(() => Promise.all([leaf(30), leaf(20), leaf(25)]))).toEqual([
      'leaf',
      'leaf',
      'leaf',
    ]);
  });

  it.each([
    ['all', (...promises: Promise<unknown>[]) => Promise.all(promises), [3, 60, 1]],
    ['allSettled', (...promises: Promise<unknown>[]) => Promise.allSettled(promises), [3, 60, 1]],
    ['race', (...promises: Promise<unknown>[]) => Promise.race(promises), [900, 60, 950]],
    ['any', (...promises: Promise<unknown>[]) => Promise.any(promises), [900, 60, 950]],
  ])('for plain promises by Promise.%s is one', async (_, combine, delays) => {
    async function waitsForMany(): Promise<void> {
      await combine(...delays.map(later));
    }
    const [wait, ...more] = await told(waitsForMany);
    expect([wait!.place, more]).toEqual(['waitsForMany', []]);
    expect(wait!.ms).toBeGreaterThan(AT_LEAST * 60);
    expect(wait!.ms).toBeLessThan(800);
  });

  it('for an older promise is told wherever it is awaited', async () => {
    expect(
      await toldPlaces(async () => {
        const older = leaf(12);
        await turn();
        await Promise.all([joins(older), joinsToo(older), joins(older)]);
      }),
    ).toEqual(['leaf', 'joins', 'joinsToo', 'joins']);
  });

  it('of a generator is told at its own await, not for those who ask it', async () => {
    expect(await toldPlaces(asksTicks)).toEqual(['ticks', 'ticks']);
  });

  it('for what Node’s functions await in turn is one, at the line that called them', async () => {
    expect(new Set(await toldPlaces(readsEvents))).toEqual(new Set(['readsEvents']));
    let count = 0;
    await told(readsFile, { ended: (wait) => placeOf(wait) === 'readsFile' && count++ });
    expect(count).toBe(1);
  });

  it('for what has a `then` of its own is one', async () => {
    expect(await toldPlaces(asksQuery)).toEqual(['asksQuery']);
    expect(await toldPlaces(asksThenable)).toEqual(['asksThenable']);
  });
});

describe('who awaits a function', () => {
  it('waits itself when that one waits no more, and has not ended', async () => {
    const ended = await told(() => asksConnected(40));
    expect(ended.map(({ place }) => place)).toEqual(['leaf', 'asksConnected']);
    expect(ended[1]!.ms).toBeGreaterThan(AT_LEAST * 40);
  });

  it('does so for the promise of a callback', async () => {
    expect(await toldPlaces(() => asksCallback(20))).toEqual(['leaf', 'asksCallback']);
  });

  it('is open from then on', async () => {
    const subscription = subscribe({});
    const asked = asksConnected(60);
    expect(openAt(subscription, 'leaf', 'asksConnected')).toEqual(['leaf']);
    await later(20);
    expect(openAt(subscription, 'leaf', 'asksConnected')).toEqual(['asksConnected']);
    await asked;
    expect(openAt(subscription, 'leaf', 'asksConnected')).toEqual([]);
  });
});

describe('a bare callback', () => {
  it('is told at the line that asked for it, and only to whoever counts them', async () => {
    expect(await toldPlaces(callsAndTurns)).toContain('calls');
    expect((await told(callsAndTurns, { callbacks: false })).map(({ place }) => place)).not.toContain(
      'calls',
    );
  });

  it('that is behind an await is none', async () => {
    expect(await toldPlaces(() => leaf(6))).toEqual(['leaf']);
    expect(await toldPlaces(asksIndirectly)).toEqual(['asksIndirectly']);
  });

  it('beside an await that is over when it is called is one', async () => {
    const ended = await toldPlaces(async () => {
      await callsAndAwaits();
      await later(40);
    });
    expect(ended.slice(0, 2)).toEqual(['leaf', 'calls']);
  });

  it('that is cleared, or called again and again, is none', async () => {
    expect(await toldPlaces(callsNothing)).not.toContain('calls');
  });

  it('within a callback ends nothing of that one', async () => {
    expect(await toldPlaces(callsWithin)).toEqual(['leaf']);
  });
});

describe('the state', () => {
  it.each<[string, (port: number) => Promise<unknown>]>([
    ['sleep', () => later(8)],
    ['chan receive', () => new Promise((resolve) => setImmediate(() => setTimeout(resolve, 8)))],
    [
      'IO wait',
      (port) =>
        new Promise((resolve) => {
          const socket = connect(port, '127.0.0.1').once('close', resolve);
          socket.once('connect', () => setTimeout(() => socket.destroy(), 8));
        }),
    ],
  ])('is %s by what is awaited', async (state, ask) => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const subscription = subscribe({});
    async function waitsFor(): Promise<void> {
      await ask(port);
    }
    const waiting = waitsFor();
    const wait = waits.openOf(subscription).find((one) => placeOf(one) === 'waitsFor');
    expect(wait?.state).toBe(state);
    await waiting;
    silent.close();
  });
});

describe('observers', () => {
  it('are told of what begins and ends before they are closed', async () => {
    let count = 0;
    await leaf(2);
    const subscription = subscribe({ ended: (wait) => placeOf(wait) === 'leaf' && count++ });
    await leaf(2);
    subscription.close();
    subscription.close(); // and no more than that
    await leaf(2);
    expect(count).toBe(1);
  });

  it('have each their own rate', async () => {
    const counts = { all: 0, some: 0 };
    const all = subscribe({ ended: (wait) => placeOf(wait) === 'leaf' && counts.all++ });
    const some = subscribe({ ended: (wait) => placeOf(wait) === 'leaf' && counts.some++ }, 4);
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, () => leaf(1)));
    expect([all.every, some.every]).toEqual([1, 4]);
    expect(counts.all).toBe(1000);
    expect(counts.some).toBeGreaterThan(180); // six standard deviations of 1 in 4
    expect(counts.some).toBeLessThan(335);
  });

  it('see what is open for them, the oldest first, and nothing that began before', async () => {
    const gate = new EventEmitter();
    const opened = new Promise((resolve) => gate.once('open', resolve));
    const before = joins(opened);
    await turn();
    const subscription = subscribe({});
    const other = subscribe({}, 1_000_000);
    const asked: Promise<void>[] = [];
    for (const join of [joins, joinsToo, joins]) {
      asked.push(join(opened));
      await turn();
    }
    expect(openAt(subscription, 'joins', 'joinsToo')).toEqual(['joins', 'joinsToo', 'joins']);
    expect(openAt(other, 'joins', 'joinsToo')).toEqual([]);
    gate.emit('open');
    await Promise.all([before, ...asked]);
    expect(openAt(subscription, 'joins', 'joinsToo')).toEqual([]);
  });

  it('that are closed have nothing open', async () => {
    const subscription = subscribe({});
    const waiting = leaf(10);
    subscription.close();
    expect(waits.openOf(subscription)).toEqual([]);
    await waiting;
  });

  it('learn of what was collected while it was awaited, once', async () => {
    const lost: (string | undefined)[] = [];
    const held: unknown[] = [];
    subscribe({ lost: (wait) => lost.push(placeOf(wait)) });
    for (let i = 0; i < 5; i++) {
      void joins(loses());
      void joins(holds(held));
    }
    await collectUntil(() => lost.length >= 5);
    await collectUntil(() => false);
    expect(lost).toEqual(Array.from({ length: 5 }, () => 'loses'));
    expect(held).toHaveLength(5);
  });

  it('do not take a promise that has lost a race for one that is lost', async () => {
    const lost: (string | undefined)[] = [];
    subscribe({ lost: (wait) => lost.push(placeOf(wait)) });
    await Promise.all([races(), races(), races()]);
    await collectUntil(() => false);
    expect(lost).toEqual([]);
  });

  it('are told nothing where the application has frozen Error, which goes on', async () => {
    const own = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')!;
    Object.defineProperty(Error, 'stackTraceLimit', { ...own, writable: false });
    try {
      expect(await toldPlaces(() => leaf(20))).toEqual([]);
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', own);
    }
  });
});
