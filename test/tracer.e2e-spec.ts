import { PassThrough, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError, Tracer, TracerBusyError } from '../src/index.js';
import { closeApps, startApp } from './support/app.js';
import { readGoTrace } from './support/go-trace.js';
import { request } from './support/http.js';
import { until } from './support/until.js';

describe('a trace in code', () => {
  let tracer: Tracer;
  let base: string;
  beforeEach(async () => {
    const { app, base: at } = await startApp('express');
    tracer = app.get(Tracer);
    base = at;
  });
  afterEach(closeApps);

  /** Another trace can begin, over HTTP too, and is one. */
  async function expectFree(): Promise<void> {
    expect(tracer.isEnabled()).toBe(false);
    const { status, body } = await request(`${base}/trace?seconds=0.01`);
    expect(status).toBe(200);
    expect(readGoTrace(body).goroutines.length).toBeGreaterThan(0);
  }

  it.each([
    ['nothing', undefined],
    ['a file name', 'trace.out'],
    ['no stream', {}],
    ['a stream that has ended', new PassThrough().end()],
    ['a stream that is destroyed', new PassThrough().destroy()],
  ])('refuses %s to write to, and nothing has begun', async (_, stream) => {
    expect(() => tracer.start(stream as Writable)).toThrow(ProfilerArgumentError);
    await tracer.stop();
    await expectFree();
  });

  it('refuses a second one, and a form that there is none', async () => {
    const stream = new PassThrough().resume();
    expect(() => tracer.start(stream, { format: 'xml' as 'json' })).toThrow(
      'format is xml: it takes go or json',
    );
    tracer.start(stream);
    expect(() => tracer.start(new PassThrough())).toThrow(TracerBusyError);
    await tracer.stop();
    await tracer.stop();
    await expectFree();
  });

  it('ends when its stream fails, and another one may begin; who stops it is told', async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) });
    full.on('error', () => {});
    tracer.start(full);
    await until(
      () => request(`${base}/`).then(() => tracer.isEnabled()),
      (isEnabled) => !isEnabled,
    );
    await expectFree();
    await expect(tracer.stop()).rejects.toThrow('disk full');
    await tracer.stop();
  });

  it('ends when its stream is closed', async () => {
    const stream = new PassThrough().resume();
    tracer.start(stream);
    stream.destroy();
    await until(
      () => request(`${base}/`).then(() => tracer.isEnabled()),
      (isEnabled) => !isEnabled,
    );
    await tracer.stop();
    await expectFree();
  });

  it('has what is said in it, whatever that is', async () => {
    const chunks: Buffer[] = [];
    const stream = new PassThrough().on('data', (chunk: Buffer) => chunks.push(chunk));
    tracer.start(stream);
    tracer.log('user', undefined as unknown as string);
    tracer.newTask(Symbol('order') as unknown as string).end();
    await tracer.stop();
    expect(stream.writable).toBe(true);
    const trace = readGoTrace(Buffer.concat(chunks));
    expect(trace.logs.map(({ key, text }) => `${key} ${text}`)).toContain('user undefined');
    expect(trace.tasks.map(({ name }) => name)).toEqual(['Symbol(order)']);
  });
});
