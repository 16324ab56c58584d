import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CaptureEvent,
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerNotStartedError,
  ProfilerService,
  Tracer,
} from '../../src/index.js';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { RecordedTrace, traceBytes } from '../support/recorded-trace.js';
import { readGoTrace } from '../support/go-trace-reader.js';
import { readTraceEvents } from '../support/trace-event-reader.js';
import { request } from '../support/http.js';

/** What goes wrong with a stream, and the error that `stop()` rejects with. */
const FAILURES: readonly (readonly [what: string, fail: (stream: Writable) => void, error: string])[] = [
  ['fails', (stream) => void stream.destroy(new Error('disk full')), 'disk full'],
  ['is destroyed', (stream) => void stream.destroy(), 'Premature close'],
  ['is ended', (stream) => void stream.end(), 'the stream has ended'],
];

describe('Tracer', () => {
  let app: TestApp;
  let tracer: Tracer;
  beforeAll(async () => {
    app = await startApp('express');
    tracer = app.app.get(Tracer);
  });
  afterAll(closeApps);

  it('writes a Go trace to the stream, does not end it, and is enabled meanwhile', async () => {
    const stream = new PassThrough();
    expect(tracer.isEnabled()).toBe(false);
    tracer.start(stream);
    expect(tracer.isEnabled()).toBe(true);
    await tracer.stop();
    expect(tracer.isEnabled()).toBe(false);
    expect(stream.writableEnded).toBe(false);
    expect(readGoTrace(stream.read() as Buffer).threads.size).toBe(1);
  });

  it('writes trace-event JSON where the format says so', async () => {
    const json = await traceBytes(app, () => {}, { format: 'json' });
    expect([...readTraceEvents(String(json)).threads.values()].map(({ name }) => name)).toContain('main');
  });

  it('start rejects a format that it does not know, and starts nothing', () => {
    const start = (): void => tracer.start(new PassThrough(), { format: 'perfetto' as never });
    expect(start).toThrow(ProfilerArgumentError);
    expect(start).toThrow('invalid format perfetto: expected go or json');
    expect(tracer.isEnabled()).toBe(false);
  });

  it('start throws ProfilerBusyError while a trace is recorded, which goes on', async () => {
    const trace = await RecordedTrace.of(app, () => {
      const start = (): void => tracer.start(new PassThrough());
      expect(start).toThrow(ProfilerBusyError);
      expect(start).toThrow('execution tracer already enabled');
      tracer.log('step', 'after');
    });
    expect(trace.trace.logs.map(({ key, value }) => [key, value])).toContainEqual(['step', 'after']);
  });

  it('stop rejects with ProfilerNotStartedError where nothing is started, also after a trace', async () => {
    await expect(tracer.stop()).rejects.toThrow(ProfilerNotStartedError);
    await traceBytes(app, () => {});
    await expect(tracer.stop()).rejects.toThrow('the execution tracer is not started');
  });

  describe.each(['go', 'json'] as const)('in the format %s', (format) => {
    it.each(FAILURES)('ends the trace when the stream %s, and stop rejects', async (_, fail, error) => {
      const stream = new PassThrough().on('error', () => {});
      tracer.start(stream, { format });
      fail(stream);
      while (tracer.isEnabled()) await nextTurn();
      await expect(tracer.stop()).rejects.toThrow(error);
      expect(readGoTrace(await traceBytes(app, () => {})).tasks).toEqual([]);
    });
  });

  it('ends the trace at once where the stream is destroyed already', async () => {
    const stream = new PassThrough();
    stream.destroy();
    await once(stream, 'close');
    tracer.start(stream);
    while (tracer.isEnabled()) await nextTurn();
    await expect(tracer.stop()).rejects.toThrow('Premature close');
  });

  it('writes as fast as the stream takes it, and stop waits for that', async () => {
    const pieces: Buffer[] = [];
    const slow = new Writable({
      highWaterMark: 1,
      write(piece: Buffer, _, done) {
        pieces.push(piece);
        setImmediate(done);
      },
    });
    tracer.start(slow);
    await tracer.stop();
    expect(readGoTrace(Buffer.concat(pieces)).threads.size).toBe(1);
    await nextTurn();
    expect(['close', 'drain', 'finish'].filter((name) => slow.listenerCount(name) > 0)).toEqual([]);
  });

  it('has a line in the log and an event for each trace', async () => {
    const events: CaptureEvent[] = [];
    const subscription = app.app.get(ProfilerService).captures.subscribe((event) => events.push(event));
    const { length: bytes } = await traceBytes(app, () => {});
    subscription.unsubscribe();
    expect(events).toEqual([
      expect.objectContaining({ profile: 'trace', peer: 'code', bytes, received: true }),
    ]);
  });

  it('has a comment where there are no CPU samples', async () => {
    const { trace } = await RecordedTrace.of(app, () => {});
    expect(trace.logs.map(({ key, value }) => `${key}: ${value}`)).toContain(
      'comment: no CPU samples: V8 is left alone',
    );
    expect(trace.samples).toEqual([]);
  });

  it('annotates nothing while no trace is recorded, and does the work', async () => {
    const order: string[] = [];
    const task = tracer.newTask('import');
    const region = tracer.startRegion('region');
    tracer.log('key', 'value');
    order.push(
      tracer.withRegion('load', () => 'loaded'),
      task.run(() => 'run'),
    );
    region.end();
    task.end();
    expect(order).toEqual(['loaded', 'run']);
    const { trace } = await RecordedTrace.of(app, () => {});
    expect([trace.tasks, trace.regions]).toEqual([[], []]);
  });

  it('restores the prototypes of Nest that it replaces', async () => {
    const prototypes = [GuardsConsumer, InterceptorsConsumer, PipesConsumer].map(
      ({ prototype }) => prototype,
    );
    const properties = (): unknown => prototypes.map((one) => Object.getOwnPropertyDescriptors(one));
    const before = properties();
    await traceBytes(app, async () => {
      expect(properties()).not.toEqual(before);
      await request(`${app.base}/cmdline`);
    });
    expect(properties()).toEqual(before);
  });
});

describe('an application that is closed', () => {
  it('ends a trace in code, which is complete', async () => {
    const app = await startApp('express');
    const bytes = await traceBytes(app, () => app.close());
    expect(app.app.get(Tracer).isEnabled()).toBe(false);
    expect(readGoTrace(bytes).threads.size).toBe(1);
  });
});
