/*
 * What services wait for, each in a function of its own. The lines of this file and those of what is compiled from it are far
 * apart: comments, types and overloads are above the code, and the compiler leaves them out.
 *
 * The tests look for the comments `// wait: …`, at whose lines executions wait.
 */
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { firstValueFrom, timer } from 'rxjs';

/** In ms. */
const LONG = 50;

const FOR_EVER = 1e9;

/** The threads beside the service. */
export interface World {
  readonly worker: Worker;
  /** Where the worker listens. */
  readonly ports: { readonly tcp: number; readonly http: number };
}

export type Wait = () => Promise<unknown>;

/** Those who wait for something, such as a lock, the oldest first. */
class Queue<T> {
  private readonly waiting: { readonly since: number; readonly resolve: (value: T) => void }[] = [];

  async join(): Promise<T> {
    return await new Promise<T>((resolve) => this.waiting.push({ since: performance.now(), resolve })); // wait: lock
  }

  /** Frees those that have waited for so long. */
  free(value: T, ms: number): void {
    const now = performance.now();
    while (this.waiting.length > 0 && now - this.waiting[0]!.since >= ms)
      this.waiting.shift()!.resolve(value);
  }
}

class Repository {
  async find(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, LONG)); // wait: method
  }

  /** No `async` function. */
  findLater(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, LONG));
  }
}

/** A named pipe: who reads it occupies a thread of libuv's pool. */
class Pipe {
  private readonly directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-waits-'));
  readonly path = join(this.directory, 'pipe');
  private readonly fd: number;

  constructor() {
    process.once('exit', () => rmSync(this.directory, { recursive: true, force: true }));
    execFileSync('mkfifo', [this.path]);
    this.fd = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  write(): void {
    writeSync(this.fd, 'x');
  }
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

async function* slowly(): AsyncGenerator<string> {
  await delay(LONG); // wait: generator
  yield 'part';
}

/** Waits of 50 ms, or three times a third of that, by name; all but the first four in ways that services have too. */
export async function startWaits({ worker, ports }: World) {
  const url = `http://127.0.0.1:${ports.http}`;
  const agent = new Agent({ keepAlive: true });
  const repository = new Repository();
  const sockets = await Promise.all(Array.from({ length: 40 }, () => connected(ports.tcp)));
  const pipe = new Pipe();
  const locked = new Queue<void>();
  const events = new EventEmitter().setMaxListeners(0);
  /** What another flow does, that no request has begun. */
  const due: { readonly at: number; readonly act: () => void }[] = [];
  const later = (act: () => void): void => void due.push({ at: performance.now() + LONG, act });
  setInterval(() => {
    locked.free(undefined, LONG);
    while (due.length > 0 && due[0]!.at <= performance.now()) due.shift()!.act();
  }, 2);
  const replies = new Map<number, (id: number) => void>();
  let sent = 0;
  worker.on('message', (id: number) => replies.get(id)?.(id));

  const response = (path: string): Promise<IncomingMessage> =>
    new Promise((resolve) => get(`${url}/${path}`, { agent }, resolve));

  return {
    method: async () => {
      await repository.find();
    },
    timersPromises: async () => {
      await delay(LONG); // wait: timersPromises
    },
    lock: async () => {
      await locked.join();
    },
    socket: async () => {
      const socket = sockets.pop()!;
      await new Promise((resolve) => socket.once('data', resolve).write('slow')); // wait: socket
      sockets.push(socket);
    },
    stream: async () => {
      const parts = await response('stream'); // wait: response
      for await (const part of parts) void part; // wait: stream
    },
    fs: async () => {
      const file = await open(pipe.path, constants.O_RDWR); // wait: open
      later(() => pipe.write());
      await file.read(Buffer.alloc(1), 0, 1, null); // wait: fs
      await file.close(); // wait: close
    },
    all: async () => {
      await Promise.all([delay(LONG), repository.findLater()]); // wait: all
    },
    fetch: async () => {
      await fetch(url); // wait: fetch
    },
    once: async () => {
      const name = `x${++sent}`;
      later(() => events.emit(name));
      await once(events, name); // wait: once
    },
    generator: async () => {
      for await (const part of slowly()) void part; // wait: parts
    },
    pipeline: async () => {
      const parts = await response('stream');
      await pipeline(parts, new PassThrough().resume()); // wait: pipeline
    },
    worker: async () => {
      const id = ++sent;
      const reply = new Promise((resolve) => replies.set(id, resolve));
      worker.postMessage(id); // oxlint-disable-line unicorn/require-post-message-target-origin -- no window
      await reply; // wait: worker
      replies.delete(id);
    },
    rxjs: async () => {
      await firstValueFrom(timer(LONG)); // wait: rxjs
    },
    digest: async () => {
      await crypto.subtle.digest('SHA-256', new Uint8Array(10_000_000)); // wait: digest
    },
  } satisfies Record<string, Wait>;
}

/** Calls back after 50 ms: nothing awaits it. */
export function callBack(done: () => void): void {
  setTimeout(done, LONG); // wait: callback
}

/** What most requests do: it is over soon. */
export async function quickly(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await delay(1);
}

/** Handlers that do not end by themselves, and what ends them. */
export async function startHangs({ ports }: World) {
  const pipe = new Pipe();
  const sockets = new Set<Socket>();
  const locked = new Queue<void>();
  let ending = new AbortController();
  const hangs = {
    hangPromise: async () => {
      await new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve())); // wait: hangPromise
    },
    /** On a connection of its own: of one that was there before, Node does not say what a promise waits for. */
    hangSocket: async () => {
      await new Promise((resolve) => sockets.add(connect(ports.tcp).once('close', resolve))); // wait: hangSocket
    },
    /** Fails when it is ended. */
    hangTimer: async () => {
      await delay(FOR_EVER, undefined, { signal: ending.signal }); // wait: hangTimer
    },
    hangFile: async () => {
      const file = await open(pipe.path, constants.O_RDWR);
      await file.read(Buffer.alloc(1), 0, 1, null); // wait: hangFile
      await file.close();
    },
    forgotten: async () => {
      await new Promise(() => {}); // wait: forgotten
    },
    reachable: async () => {
      await locked.join();
    },
    /** Nothing waits for the loser any more, and it has no timer. */
    race: async () => {
      let timeout: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => (timeout = setTimeout(resolve, FOR_EVER))); // wait: cleared
      await Promise.race([delay(1), late, new Promise(() => {})]); // wait: race
      clearTimeout(timeout);
    },
  } satisfies Record<string, Wait>;

  function end(): void {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    for (let i = 0; i < 5; i++) pipe.write();
    ending.abort();
    ending = new AbortController();
    locked.free(undefined, 0);
  }
  return { hangs, end };
}

const held = new EventEmitter();

/** So many awaits are pending until {@link free} is called. */
export function hold(count: number): void {
  const freed = new Promise<void>((resolve) => held.once('free', resolve));
  for (let i = 0; i < count; i++) void waitFor(freed);
}

export const free = (): void => void held.emit('free');

async function waitFor(freed: Promise<void>): Promise<void> {
  await freed; // wait: held
}

/** Promises that are awaited while they are pending, and settled. */
export async function settle(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const settled = new Promise<void>((resolve) => queueMicrotask(resolve));
    await waitFor(settled);
  }
}

/** Of an await, in microseconds. */
export async function costOfAwait(): Promise<number> {
  const awaits = 300_000;
  const begin = process.cpuUsage();
  for (let i = 0; i < awaits; i++) await nothing();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / awaits;
}

async function nothing(): Promise<void> {}
