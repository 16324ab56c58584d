/*
 * Everything that an execution can do, in no order.
 */
import { AsyncResource } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs';
import { readFile as readLater } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import type { Tracer } from 'nestjs-pprof';
import { compute } from './clock.js';

const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  .listen(0, '127.0.0.1')
  .unref();
await once(echo, 'listening');

/** What somebody waits for, for somebody else to give. */
const wanted: (() => void)[] = [];
const open: { end(): void }[] = [];
const emitter = new EventEmitter();
const THIS_FILE = new URL(import.meta.url);

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}

type Step = (tracer: Tracer, depth: number) => unknown;

const STEPS: readonly Step[] = [
  () => compute(Math.random() * 2),
  () => sleep(Math.random() * 5),
  () => turn(),
  () => Promise.resolve(),
  () => new Promise<void>((resolve) => process.nextTick(resolve)),
  () => new Promise<void>((resolve) => queueMicrotask(resolve)),
  () => new Promise((resolve) => readFile(THIS_FILE, resolve)),
  () => readLater(THIS_FILE),
  () => new Promise((resolve) => randomBytes(1000, resolve)),
  () => void setTimeout(() => compute(0.1), Math.random() * 3),
  () => void setTimeout(() => wanted.pop()?.(), Math.random() * 3),
  () =>
    void setTimeout(() => {
      throw new Error('of chaos');
    }, Math.random() * 3),
  () => {
    const interval = setInterval(() => Math.random() < 0.5 && clearInterval(interval), 1);
  },
  () => Promise.race([new Promise<void>((resolve) => wanted.push(resolve)), sleep(10)]),
  () => wanted.pop()?.(),
  () => Promise.reject(new Error('of chaos')).catch(() => {}),
  async () => {
    const socket = connect((echo.address() as { port: number }).port, '127.0.0.1');
    socket.end('x');
    for await (const chunk of socket) compute(0.01 * (chunk as Buffer).length);
  },
  async () => {
    const { port1, port2 } = new MessageChannel();
    port2.once('message', () => port2.postMessage('back'));
    port1.postMessage('there');
    await once(port1, 'message');
    port1.close();
  },
  (tracer, depth) => new AsyncResource('CHAOS').runInAsyncScope(() => steps(tracer, depth - 1)),
  (tracer, depth) => void steps(tracer, depth - 1),
  (tracer, depth) => Promise.all([steps(tracer, depth - 1), steps(tracer, depth - 1)]),
  (tracer, depth) => tracer.withRegion('a region', () => steps(tracer, depth - 1)),
  (tracer) => void open.push(tracer.startRegion('by hand')),
  (tracer) => void open.push(tracer.newTask('a task')),
  () => open.splice(Math.floor(Math.random() * open.length), 1)[0]?.end(),
  (tracer) => tracer.log('', 'nothing'),
  (tracer) => tracer.log('a key', 'x'.repeat(Math.random() * 100)),
  (tracer, depth) => {
    emitter.once(
      'x',
      AsyncResource.bind(() => void steps(tracer, depth - 1)),
    );
  },
  () => emitter.emit('x'),
];

async function steps(tracer: Tracer, depth: number): Promise<void> {
  if (depth < 0) return;
  for (let i = 0; i < 6; i++) await pick(STEPS)(tracer, depth);
}

export async function chaos(tracer: Tracer): Promise<void> {
  await Promise.all(Array.from({ length: 6 }, () => steps(tracer, 2)));
}

export function surviveChaos(): void {
  process.on('uncaughtException', ({ message }) => {
    if (message !== 'of chaos') throw new Error(message);
  });
}
