import { PassThrough } from 'node:stream';
import { Tracer, type TraceOptions } from '../../src/index.js';
import {
  type GoGoroutine,
  type GoLog,
  type GoRegion,
  type GoTask,
  type GoTrace,
  readGoTrace,
} from './go-trace-reader.js';
import type { TestApp } from './app.js';

/** The bytes of a trace of what happens meanwhile. */
export async function traceBytes(
  { app }: Pick<TestApp, 'app'>,
  work: (tracer: Tracer) => unknown,
  options?: TraceOptions,
): Promise<Buffer> {
  const tracer = app.get(Tracer);
  const stream = new PassThrough();
  const pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  tracer.start(stream, options);
  await work(tracer);
  await tracer.stop();
  stream.end();
  return Buffer.concat(pieces);
}

/** What a trace in Go's format has, by the names in it. */
export class RecordedTrace {
  readonly trace: GoTrace;

  constructor(bytes: Uint8Array) {
    this.trace = readGoTrace(bytes);
  }

  static async of(...[app, work]: Parameters<typeof traceBytes>): Promise<RecordedTrace> {
    return new RecordedTrace(await traceBytes(app, work));
  }

  tasks(name: string): GoTask[] {
    return this.trace.tasks.filter((task) => task.name === name);
  }

  /** Those with that start function, and their ids. */
  goroutines(name: string): (GoGoroutine & { id: number })[] {
    return [...this.trace.goroutines]
      .filter(([, goroutine]) => goroutine.name === name)
      .map(([id, goroutine]) => ({ ...goroutine, id }));
  }

  /** Of a goroutine, in the order of their begins. */
  regions(goroutine: number): GoRegion[] {
    return this.trace.regions.filter((region) => region.goroutine === goroutine);
  }

  /** Values of a task's logs by their keys. */
  logs(task: number): Record<string, string> {
    const logs = this.trace.logs.filter((log) => log.task === task);
    return Object.fromEntries(logs.map(({ key, value }: GoLog) => [key, value]));
  }

  /** Which goroutines have woken a goroutine; 0: something outside of the thread. */
  wakers(goroutine: number): number[] {
    return this.trace.events
      .filter(({ type, args }) => type === 'GoUnblock' && args[0] === goroutine)
      .map(({ g }) => g);
  }

  /** What a region's goroutine waits for in it, by the events that begin the waits. */
  waitsIn({ goroutine, begin, end = Number.POSITIVE_INFINITY }: GoRegion): string[] {
    return this.trace.events
      .filter(({ type, g, time }) => WAITS.has(type) && g === goroutine && time >= begin && time <= end)
      .map(({ type }) => type);
  }
}

const WAITS: ReadonlySet<string> = new Set([
  'GoBlockNet',
  'GoBlockRecv',
  'GoBlockSelect',
  'GoSleep',
  'GoSysBlock',
]);
