/*
 * Waits that measure themselves. The tests look for two kinds of comments: behind "waits:" is the name of a place that waits,
 * by which it tells what it has measured; a line with "no wait" awaits what waits itself.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, on, once } from 'node:events';
import { open } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Body, Controller, Get, Param, Post, Res } from '@nestjs/common';
import preemptedMs from '../../apps/preempted.cjs';
import { fifo, slow } from './servers.js';

/** What one place has waited: how often, and for how many ms altogether. */
interface Measured {
  count: number;
  ms: number;
}

let preemptedBefore = preemptedMs();
let measured: Record<string, Measured> = {};

/** The application's own, in which all of this runs. */
const contexts = new AsyncLocalStorage<{ readonly lost: string[] }>();
const lost: string[] = [];

/** Notes a wait that is over. */
function over(place: string, begin: number): void {
  if (contexts.getStore()?.lost !== lost) lost.push(place);
  const total = (measured[place] ??= { count: 0, ms: 0 });
  total.count++;
  total.ms += now() - begin;
}

const ignore = (): void => {};
const now = (): number => performance.now();
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits, after it has called nobody. */
async function leaf(ms: number): Promise<number> {
  const begin = now();
  await later(ms); // waits: leaf
  over('leaf', begin);
  return ms;
}

/** Returns a promise that it has not awaited: V8 asks it for its end, and nobody waits for that. */
async function passedOn(ms: number): Promise<number> {
  return leaf(ms); // no wait
}

/** One at a time; who comes in between waits for the one before to leave. */
class Lock {
  private queue: Promise<void> = Promise.resolve();

  enter(): { readonly entered: Promise<void>; leave(): void } {
    const { queue: entered } = this;
    let leave!: () => void;
    this.queue = new Promise((resolve) => {
      leave = resolve;
    });
    return { entered, leave };
  }
}

/** As packages have them: V8 takes it for any object with a `then`. */
class Query extends Promise<void> {}

class Nested {
  constructor(private readonly ms: number) {}

  async first(): Promise<void> {
    await this.second(); // no wait
    const begin = now();
    await later(this.ms / 4); // waits: nested first
    over('nested first', begin);
  }

  private async second(): Promise<void> {
    const begin = now();
    await sleep(this.ms / 2); // waits: nested second
    over('nested second', begin);
    await this.third(); // no wait
  }

  private async third(): Promise<void> {
    const last = await this.fourth(); // no wait
    const begin = now();
    await later((last * 3) / 4); // waits: nested third
    over('nested third', begin);
  }

  private async fourth(): Promise<number> {
    const begin = now();
    await later(this.ms); // waits: nested fourth
    over('nested fourth', begin);
    return this.ms;
  }
}

async function* ticks(ms: number): AsyncGenerator<string> {
  for (const tick of ['one', 'two']) {
    const begin = now();
    await later(ms); // waits: async generator
    over('async generator', begin);
    yield tick;
  }
}

async function failing(ms: number): Promise<never> {
  const begin = now();
  try {
    await sleep(ms).then(() => Promise.reject(new Error('it was to fail'))); // waits: rejection
  } finally {
    over('rejection', begin);
  }
  throw new Error('it has not failed');
}

/** A promise of callbacks, once there is a connection: how drivers of databases do it. */
function asDriversDo(ms: number, connected: () => void): Promise<void> {
  // oxlint-disable-next-line no-async-promise-executor
  return new Promise(async (resolve /* waits: promise by an async function */) => {
    await leaf(1); // no wait
    connected();
    setTimeout(() => setImmediate(resolve), ms);
  });
}

async function afterCheck(ms: number, checked: () => void): Promise<void> {
  await leaf(1); // no wait
  checked();
  return later(ms);
}

async function connected(): Promise<Socket> {
  const socket = connect(slow.port, '127.0.0.1');
  const begin = now();
  await once(socket, 'connect'); // waits: connect
  over('connect', begin);
  return socket;
}

/** Each of them waits for so many ms, once or a few times. */
const KINDS: Readonly<Record<string, (ms: number) => Promise<unknown>>> = {
  method: async (ms) => {
    await leaf(ms); // no wait
  },

  'return a promise': async (ms) => {
    await passedOn(ms); // no wait
  },

  'timers/promises': async (ms) => {
    const begin = now();
    await sleep(ms); // waits: timers/promises
    over('timers/promises', begin);
  },

  promisified: async (ms) => {
    const begin = now();
    await promisify(setTimeout)(ms); // waits: promisified
    over('promisified', begin);
  },

  lock: async (ms) => {
    const lock = new Lock();
    const { leave } = lock.enter();
    setTimeout(leave, ms); // waits: lock holder
    const begin = now();
    await lock.enter().entered; // waits: lock
    over('lock', begin);
  },

  socket: async (ms) => {
    const socket = await connected(); // no wait
    socket.write(`${ms}\n`);
    const begin = now();
    await once(socket, 'data'); // waits: socket
    over('socket', begin);
    socket.destroy();
  },

  'slow stream': async (ms) => {
    const socket = await connected(); // no wait
    socket.write(`${ms} ${ms}\n`);
    let begin = now();
    for await (const chunk of socket /* waits: slow stream */) {
      if (chunk) over('slow stream', begin);
      begin = now();
    }
    over('slow stream', begin);
  },

  pipeline: async (ms) => {
    const socket = await connected(); // no wait
    socket.write(`${ms} ${ms}\n`);
    await pipeline(socket, async (chunks: AsyncIterable<Buffer>) => {
      let begin = now();
      for await (const chunk of chunks /* waits: pipeline */) {
        if (chunk) over('pipeline', begin);
        begin = now();
      }
      over('pipeline', begin);
    });
  },

  fetch: async (ms) => {
    const begin = now();
    const answer = await fetch(`${slow.url}/${ms}`); // waits: fetch
    over('fetch', begin);
    await answer.arrayBuffer(); // it is there
  },

  file: async (ms) => {
    setTimeout(() => void fifo.write(), ms);
    const begin = now();
    const reader = await open(fifo.path); // waits: file
    over('file', begin);
    await reader.close();
  },

  'promise by an async function': async (ms) => {
    let begin = 0;
    const started = (): void => {
      begin = now();
    };
    await asDriversDo(ms, started);
    over('promise by an async function', begin);
  },

  'returned promise': async (ms) => {
    let begin = 0;
    const started = (): void => {
      begin = now();
    };
    await afterCheck(ms, started); // waits: returned promise
    over('returned promise', begin);
  },

  'promise of a callback': async (ms) => {
    let begin = 0;
    const start = (): Promise<void> => {
      begin = now();
      return later(ms);
    };
    await leaf(1).then(start); // waits: promise of a callback
    over('promise of a callback', begin);
  },

  nested: (ms) => new Nested(ms).first(),

  thenable: async (ms) => {
    const begin = now();
    // oxlint-disable-next-line unicorn/no-thenable
    await { then: (resolve: (value: number) => void) => setTimeout(resolve, ms, ms) }; // waits: thenable
    over('thenable', begin);
  },

  'thenable of a promise': async (ms) => {
    let begin = 0;
    const then = (resolve: () => void): void => {
      begin = now();
      void later(ms).then(resolve); // waits: thenable of a promise
    };
    // oxlint-disable-next-line unicorn/no-thenable
    await { then }; // no wait
    over('thenable of a promise', begin);
  },

  'class of promises': async (ms) => {
    const begin = now();
    await new Query((resolve) => setTimeout(resolve, ms)); // waits: class of promises
    over('class of promises', begin);
  },

  chain: async (ms) => {
    const begin = now();
    const chain = later(ms).then(ignore).catch(ignore).finally(ignore); // waits: chain
    await chain; // no wait
    over('chain', begin);
  },

  'async generator': async (ms) => {
    for await (const tick of ticks(ms)) if (tick === 'two') break; // no wait
  },

  'events.on': async (ms) => {
    const emitter = new EventEmitter();
    setTimeout(() => emitter.emit('tick'), ms);
    let begin = now();
    for await (const event of on(emitter, 'tick') /* waits: events.on */) {
      over('events.on', begin);
      begin = now();
      if (event) break;
    }
    over('events.on', begin);
  },

  rejection: async (ms) => {
    await failing(ms).catch(ignore); // no wait
  },

  all: async (ms) => {
    await Promise.all([leaf(ms), leaf(ms / 2)]); // no wait
  },

  race: async (ms) => {
    const loser = leaf(ms);
    await Promise.race([loser, leaf(ms / 5)]); // no wait
    const begin = now();
    await loser; // waits: loser
    over('loser', begin);
  },

  'all of plain promises': async (ms) => {
    const begin = now();
    await Promise.all([later(ms / 2), later(ms), later(1)]); // waits: all
    over('all', begin);
  },

  'race of plain promises': async (ms) => {
    const begin = now();
    await Promise.race([later(2 * ms), later(ms), later(3 * ms)]); // waits: race
    over('race', begin);
  },
};

/** How a kind is run. */
interface Run {
  readonly times: number;
  /** So many at a time. */
  readonly atOnce: number;
  readonly ms: number;
}

async function runKind(kind: string, { times, atOnce, ms }: Run): Promise<void> {
  const wait = KINDS[kind]!;
  for (let done = 0; done < times; done += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, () => wait(ms))); // no wait
  }
}

/** What both adapters' responses have. */
interface Reply {
  send(text: string): unknown;
}

@Controller('waits')
export class WaitsController {
  /** Answers by a callback, and has no promise at all. */
  @Get('bare/:ms')
  bare(@Param('ms') ms: string, @Res() reply: Reply): void {
    const begin = now();
    const answer = (): void => {
      over('bare callback', begin);
      reply.send('late');
    };
    contexts.run({ lost }, () => setTimeout(answer, Number(ms))); // waits: bare callback
    clearTimeout(setTimeout(answer, 1)); // no wait
  }

  /** Runs kinds beside each other: what they have measured, by the place. */
  @Post()
  async wait(@Body() { kinds, ...run }: Run & { readonly kinds: readonly string[] }): Promise<Taken> {
    await contexts.run({ lost }, () => Promise.all(kinds.map((kind) => runKind(kind, run)))); // no wait
    return this.taken();
  }

  /** What was measured since the last time. */
  @Post('taken')
  taken(): Taken {
    const taken = measured;
    measured = {};
    const before = preemptedBefore;
    preemptedBefore = preemptedMs();
    return { measured: taken, lost: lost.splice(0), preempted: preemptedBefore - before };
  }
}

/** What was measured, where the application has lost its context, and for how many ms the machine was not there for it. */
interface Taken {
  readonly measured: Readonly<Record<string, Measured>>;
  readonly lost: readonly string[];
  readonly preempted: number;
}
