import { getEventListeners } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { map, type Observable } from 'rxjs';
import {
  type CaptureEvent,
  PprofHandler,
  type PprofModuleOptions,
  ProfilerService,
} from '../../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { brokenRows, HEAD, notAllowed, refused, row, TEXTS } from '../support/contract.js';
import { type Answer, request } from '../support/http.js';

const BUSY = 'Could not enable heap snapshots: heap snapshot already in use\n';

/** 48 MB in pieces of 64 KB: more than sockets hold. */
const LARGE = { piece: Buffer.alloc(65_536, 'x'), count: 768 };
const large = (): Readable => Readable.from(Array.from({ length: LARGE.count }, () => LARGE.piece));

const CONTRACT = [
  row('/heapsnapshot', 200, 'HEAD takes no snapshot', { type: 'application/octet-stream', ...HEAD }),
  refused('/heapsnapshot/', 404, TEXTS.unknown),
  refused('/HEAPSNAPSHOT', 404, TEXTS.unknown),
  ...['POST', 'PUT', 'DELETE'].map((method) => notAllowed('/heapsnapshot', method, { body: 'x' })),
];

/** Replaces the reply of the first request. */
class Replacing implements NestInterceptor {
  private isFirst = true;

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { isFirst } = this;
    this.isFirst = false;
    return next.handle().pipe(map((reply: unknown) => (isFirst ? 'replaced' : reply)));
  }
}

const get = ({ base }: TestApp, signal?: AbortSignal): Promise<Answer> =>
  request(`${base}/heapsnapshot`, { signal });

function capturesOf({ app }: TestApp): CaptureEvent[] {
  const events: CaptureEvent[] = [];
  app.get(ProfilerService).captures.subscribe((event) => events.push(event));
  return events;
}

/** A snapshot that has begun to be sent and does not end by itself, and its client. */
async function endless(
  app: TestApp,
): Promise<{ client: AbortController; answer: Promise<Answer>; json: PassThrough }> {
  const json = new PassThrough();
  app.sampling.heapSnapshot = () => json;
  const client = new AbortController();
  const answer = get(app, client.signal);
  answer.catch(() => {}); // the test awaits it later
  while (json.listenerCount('readable') === 0) await nextTurn();
  json.write('{');
  app.sampling.heapSnapshot = large;
  return { client, answer, json };
}

describe.each(ADAPTERS)('heapsnapshot on %s', (adapter) => {
  const { NODE_ENV } = process.env;
  afterEach(async () => {
    process.env.NODE_ENV = NODE_ENV;
    await closeApps();
  });

  it('follows the contract without taking a snapshot', async () => {
    const { base, sampling } = await startApp(adapter);
    expect(await brokenRows(base, CONTRACT)).toEqual([]);
    expect(sampling.heapSnapshots).toBe(0);
  });

  it('is sent in chunks as a file that DevTools open, and is reported', async () => {
    const app = await startApp(adapter);
    const events = capturesOf(app);
    app.sampling.heapSnapshot = large;
    const { status, headers, body } = await get(app);
    expect([status, headers]).toEqual([
      200,
      expect.objectContaining({
        'content-type': 'application/octet-stream',
        'content-disposition': expect.stringMatching(
          new RegExp(`^attachment; filename="Heap-[\\w.-]+-${process.pid}-\\d{8}T\\d{6}Z\\.heapsnapshot"$`),
        ),
        'cache-control': 'no-store, no-transform',
        'transfer-encoding': 'chunked',
      }),
    ]);
    expect(body.length).toBe(LARGE.piece.length * LARGE.count);
    expect(events).toEqual([
      expect.objectContaining({
        profile: 'heapsnapshot',
        peer: '127.0.0.1',
        bytes: body.length,
        received: true,
      }),
    ]);
  });

  it('is refused while another one is sent, also by PprofHandler, and works again when that client has left', async () => {
    const app = await startApp(adapter);
    const events = capturesOf(app);
    const { client, answer, json } = await endless(app);
    expect(await get(app)).toMatchObject({ status: 500, text: BUSY });
    expect(await app.app.get(PprofHandler).serve('heapsnapshot')).toMatchObject({ status: 500, body: BUSY });
    expect(app.sampling.heapSnapshots).toBe(1);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    while (!json.destroyed) await nextTurn();
    expect((await get(app)).status).toBe(200);
    expect(events.map(({ received }) => received)).toEqual([false, true]);
  });

  it('is cut off when the application is closed', async () => {
    const app = await startApp(adapter);
    const { answer, json } = await endless(app);
    await app.close();
    await expect(answer).rejects.toThrow(/aborted|socket hang up/); // whether it has the headers or not
    expect(json.destroyed).toBe(true);
  });

  it('returns 500 with the reason if there is no room for it', async () => {
    const app = await startApp(adapter);
    app.sampling.heapSnapshot = () => {
      throw new Error('cannot write a file in /tmp: ENOSPC: no space left on device, write');
    };
    expect(await get(app)).toMatchObject({
      status: 500,
      text: 'heapsnapshot is not available: cannot write a file in /tmp: ENOSPC: no space left on device, write\n',
    });
  });

  it('frees a snapshot whose reply an interceptor has replaced, and is not refused after it', async () => {
    const app = await startApp(adapter, { pprof: { interceptors: [new Replacing()] } });
    const replaced = large();
    app.sampling.heapSnapshot = () => replaced;
    expect((await get(app)).text).toBe('replaced');
    app.sampling.heapSnapshot = large;
    expect((await get(app)).body.length).toBe(LARGE.piece.length * LARGE.count);
    expect(replaced.destroyed).toBe(true);
  });

  it.each<[string, PprofModuleOptions, string, number]>([
    ['off in production', {}, 'production', 404],
    ['off in production where other endpoints are named', { endpoints: { heap: true } }, 'production', 404],
    ['off in production on a port of its own', { listen: { port: 0 } }, 'production', 404],
    [
      'on in production with endpoints: { heapsnapshot: true }',
      { endpoints: { heapsnapshot: true } },
      'production',
      200,
    ],
    ['on with another NODE_ENV', {}, 'staging', 200],
    ['off with endpoints: { heapsnapshot: false }', { endpoints: { heapsnapshot: false } }, 'test', 404],
  ])('is %s', async (_, pprof, env, status) => {
    process.env.NODE_ENV = env;
    const { app } = await startApp(adapter, { pprof: { guards: [{ canActivate: () => true }], ...pprof } });
    process.env.NODE_ENV = NODE_ENV;
    const handler = app.get(PprofHandler);
    expect((await handler.serve('heapsnapshot')).status).toBe(status);
    const index = (await handler.serve('')).body as string;
    expect(index.includes('<a href="heapsnapshot">')).toBe(status === 200);
  });
});

describe('heapsnapshot of PprofHandler', () => {
  afterEach(closeApps);

  it('has all of its bytes, and leaves no listener on the signal', async () => {
    const { app } = await startApp('express');
    const { signal } = new AbortController();
    const { status, body } = await app.get(PprofHandler).serve('heapsnapshot', { signal });
    expect([status, String(body)]).toEqual([200, '{"snapshot":{}}']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('returns 500 when its signal is aborted, and takes no snapshot if that was before', async () => {
    const { app, sampling } = await startApp('express');
    const handler = app.get(PprofHandler);
    const json = new PassThrough();
    sampling.heapSnapshot = () => json;
    const client = new AbortController();
    const reply = handler.serve('heapsnapshot', { signal: client.signal });
    while (json.listenerCount('readable') === 0) await nextTurn();
    client.abort();
    expect(await reply).toMatchObject({ status: 500, body: 'context canceled\n' });
    expect(json.destroyed).toBe(true);
    expect(await handler.serve('heapsnapshot', { signal: client.signal })).toMatchObject({
      status: 500,
      body: 'context canceled\n',
    });
    expect(sampling.heapSnapshots).toBe(1);
  });
});
