/*
 * Requests that hang in all the ways there are, until they are released. The tests look for the comments that begin with
 * "hangs": that is where, and how in the words of Go's dumps.
 */
import { Resolver } from 'node:dns/promises';
import { EventEmitter, on, once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Controller, Get, Param } from '@nestjs/common';
import { gate } from './gate.js';
import { fifo, silent } from './servers.js';

let end = gate();
let ended = new AbortController();
let emitter = new EventEmitter();
let resolver = new Resolver();
let count = 0;

const local = { port: silent.port, host: '127.0.0.1' };
const ignore = (): void => {};
const longTimer = (): Promise<unknown> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, 600_000);
    ended.signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve('aborted');
    });
  });

const WAYS: Readonly<Record<string, () => Promise<unknown>>> = {
  async promise() {
    await end.opened; // hangs: chan receive
  },
  async event() {
    await once(emitter, 'end'); // hangs: chan receive
  },
  async events() {
    for await (const _ of on(emitter, 'tick', { signal: ended.signal })) ignore(); // hangs: chan receive
  },
  async timer() {
    await longTimer(); // hangs: sleep
  },
  async 'timer of promises'() {
    await sleep(600_000, undefined, { signal: ended.signal }); // hangs: sleep
  },
  async 'promisified timer'() {
    await promisify(setTimeout)(600_000, undefined, { signal: ended.signal }); // hangs: sleep
  },
  async socket() {
    const socket = connect(local).on('error', ignore);
    await once(socket, 'close'); // hangs: IO wait
  },
  async 'http.get'() {
    await new Promise((resolve) => get(local, ignore).once('error', resolve)); // hangs: IO wait
  },
  async fetch() {
    await fetch(`http://127.0.0.1:${silent.port}`); // hangs: IO wait
  },
  async 'body of fetch'() {
    const answer = await fetch(`http://127.0.0.1:${silent.half}`);
    await answer.text(); // hangs: IO wait
  },
  async stream() {
    for await (const _ of connect(local)) ignore(); // hangs: IO wait
  },
  async 'end of a stream'() {
    await finished(connect(local)); // hangs: IO wait
  },
  async 'text of a stream'() {
    await text(connect(local)); // hangs: IO wait
  },
  async pipeline() {
    await pipeline(connect(local), async (chunks: AsyncIterable<Buffer>) => {
      for await (const _ of chunks) ignore(); // hangs: IO wait
    });
  },
  async name() {
    await resolver.resolve4('example.com'); // hangs: IO wait
  },
  async file() {
    const reader = await open(fifo.path); // hangs: syscall
    await reader.close();
  },
  async 'text of a file'() {
    await readFile(fifo.path); // hangs: syscall
  },
};

@Controller('ways')
export class WaysController {
  @Get(':way')
  async hang(@Param('way') way: string): Promise<string> {
    count++;
    try {
      await WAYS[way]!();
      return 'ended';
    } catch (error) {
      return String(error);
    }
  }
}

export const wayOrders = {
  ways: (): string[] => Object.keys(WAYS),
  hanging: (): { count: number } => ({ count }),
  async endAll(): Promise<void> {
    end.open();
    ended.abort();
    emitter.emit('end');
    resolver.cancel();
    silent.hangUp();
    end = gate();
    ended = new AbortController();
    emitter = new EventEmitter();
    resolver = new Resolver();
    resolver.setServers([silent.dns]);
    count = 0;
    await fifo.write();
  },
};
resolver.setServers([silent.dns]);
