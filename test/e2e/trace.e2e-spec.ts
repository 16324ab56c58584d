import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { PprofHandler, ProfilerBusyError, ProfilerService, Tracer } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { brokenRows, HEAD, file, notAllowed, refused, TEXTS } from '../support/contract.js';
import { readGoTrace } from '../support/go-trace-reader.js';
import { type Answer, request } from '../support/http.js';
import { RecordedTrace, traceBytes } from '../support/recorded-trace.js';
import { readTraceEvents } from '../support/trace-event-reader.js';

const BUSY = 'Could not enable tracing: execution tracer already enabled';

/** By the query: how long the trace is. */
const SECONDS: readonly (readonly [query: string, seconds: number])[] = [
  ['', 1],
  ['seconds=', 1],
  ['seconds=0', 1],
  ['seconds=-1', 1],
  ['seconds=abc', 1],
  ['seconds=1s', 1],
  ['seconds=1e999', 1],
  ['seconds=+2', 1], // a space
  ['seconds=%2B2', 2],
  ['seconds=0.25', 0.25],
  ['seconds=0x1p-2', 0.25],
  ['seconds=1_0.', 10],
  ['seconds=3e1&seconds=4', 30],
  ['seconds=300', 300],
];

const CONTRACT = [
  file('/trace', 'trace', 'HEAD records nothing', HEAD),
  file('/trace?seconds=300&format=go', 'trace', 'go is the default format', HEAD),
  file('/trace?format=json', 'trace.json', 'the other format has a name of its own', HEAD),
  file('/tr%61ce?format=', 'trace', 'an empty format is the default one', HEAD),
  ...['pprof', 'GO', 'json,go', 'cpuprofile'].map((format) =>
    refused(`/trace?format=${format}`, 400, TEXTS.badFormat('go or json')),
  ),
  refused('/trace?seconds=301', 400, TEXTS.tooLong(300)),
  refused('/trace?seconds=300.5&format=x', 400, TEXTS.tooLong(300)),
  refused('/trace/', 404, TEXTS.unknown),
  ...['POST', 'PUT', 'DELETE'].map((method) => notAllowed('/trace?seconds=0.01', method, { body: 'x' })),
];

describe.each(ADAPTERS)('trace on %s', (adapter) => {
  const lines: string[] = [];
  let app: TestApp;
  let tracer: Tracer;
  beforeEach(async () => {
    app = await startApp(adapter, { options: { logger: logTo(lines) } });
    tracer = app.app.get(Tracer);
    lines.length = 0; // of the boot
  });
  afterEach(closeApps);

  const get = (query: string, signal?: AbortSignal): Promise<Answer> =>
    request(`${app.base}/trace?${query}`, { signal });

  /** One over HTTP that does not end by itself, when it is under way. */
  const longTrace = async (signal?: AbortSignal): Promise<{ answer: Promise<Answer> }> => {
    const answer = get('seconds=300', signal);
    answer.catch(() => {}); // the test awaits it later
    while (!tracer.isEnabled()) await nextTurn();
    return { answer };
  };

  it('follows the contract without recording anything', async () => {
    expect(await brokenRows(app.base, CONTRACT)).toEqual([]);
    expect([tracer.isEnabled(), lines]).toEqual([false, []]);
  });

  it.each([
    ['seconds=0.01', 'trace', (bytes: Buffer) => readGoTrace(bytes)],
    ['seconds=0.01&format=json', 'trace.json', (bytes: Buffer) => readTraceEvents(String(bytes))],
  ])('?%s is sent in chunks as the file %s, and logged', async (query, name, read) => {
    const { status, headers, body } = await get(query);
    expect([status, headers]).toEqual([
      200,
      expect.objectContaining({
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${name}"`,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
        'transfer-encoding': 'chunked',
        connection: 'close',
      }),
    ]);
    expect(headers).not.toHaveProperty('content-length');
    expect(read(body).threads.size).toBeGreaterThan(0);
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(`^trace for 127\\.0\\.0\\.1: [\\d.]+ s, ${body.length} bytes, held the event loop for `),
      ),
    ]);
  });

  it("reads seconds by Go's grammar of floats", async () => {
    const asked: unknown[] = [];
    tracer.take = ({ seconds }) => {
      asked.push(seconds);
      return (async function* () {})();
    };
    for (const [query] of SECONDS) expect((await get(query)).status).toBe(200);
    expect(SECONDS.map(([query], i) => [query, asked[i]])).toEqual(SECONDS);
  });

  it('is refused while one is recorded in code, and profile works meanwhile', async () => {
    await traceBytes(app, async () => {
      expect(await get('seconds=1')).toMatchObject({ status: 500, text: `${BUSY}\n` });
      expect(lines).toEqual([]);
      expect((await request(`${app.base}/profile?seconds=1&hz=50`)).status).toBe(200);
    });
    expect((await get('seconds=0.01')).status).toBe(200);
  });

  it('is refused while one is recorded over HTTP, as is one in code', async () => {
    const client = new AbortController();
    const { answer } = await longTrace(client.signal);
    expect(await get('seconds=1')).toMatchObject({ status: 500, text: `${BUSY}\n` });
    await expect(traceBytes(app, () => {})).rejects.toThrow(ProfilerBusyError);
    expect(tracer.isEnabled()).toBe(true);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
  });

  it('ends when its client leaves, and the next one works at once', async () => {
    const client = new AbortController();
    const { answer } = await longTrace(client.signal);
    const ended = firstValueFrom(app.app.get(ProfilerService).captures);
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    while (tracer.isEnabled()) await nextTurn();
    expect(readGoTrace((await get('seconds=0.01')).body).tasks.length).toBeGreaterThan(0);
    expect(await ended).toMatchObject({ profile: 'trace', peer: '127.0.0.1', received: false });
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^trace for 127\.0\.0\.1: canceled after [\d.]+ s \(the connection was closed\)$/,
      ),
    );
  });

  it('ends when the application is closed, and its client has all of it', async () => {
    const { answer } = await longTrace();
    await request(`${app.base}/cmdline`);
    await app.close();
    const { status, body } = await answer;
    const trace = new RecordedTrace(body);
    expect(status).toBe(200);
    expect(trace.tasks('GET /debug/pprof/cmdline')).toHaveLength(1);
    expect(tracer.isEnabled()).toBe(false);
  });

  it('has all of its bytes where PprofHandler serves it, and leaves no listener on the signal', async () => {
    const handler = app.app.get(PprofHandler);
    const { signal } = new AbortController();
    const go = await handler.serve('trace', { query: 'seconds=0.01', signal });
    expect(go).toMatchObject({
      status: 200,
      headers: { 'content-disposition': 'attachment; filename="trace"' },
    });
    expect(readGoTrace(go.body as Buffer).threads.size).toBe(1);
    const json = await handler.serve('trace', { query: { seconds: '0.01', format: 'json' }, signal });
    expect(readTraceEvents(String(json.body)).threads.size).toBeGreaterThan(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    const head = await handler.serve('trace', { method: 'HEAD', signal });
    expect(head).toMatchObject({ status: 200, body: new Uint8Array() });
    await traceBytes(app, async () =>
      expect(await handler.serve('trace')).toMatchObject({ status: 500, body: `${BUSY}\n` }),
    );
    expect(lines.map((line) => line.split(':')[0])).toEqual(
      Array.from({ length: 3 }, () => 'trace for code'),
    );
  });

  it('ends when the signal of PprofHandler.serve is aborted, with what it has', async () => {
    const client = new AbortController();
    const reply = app.app.get(PprofHandler).serve('trace', { query: 'seconds=300', signal: client.signal });
    while (!tracer.isEnabled()) await nextTurn();
    client.abort();
    expect(readGoTrace((await reply).body as Buffer).threads.size).toBe(1);
  });
});

function logTo(lines: string[]): LoggerService {
  const log = (message: unknown, context?: unknown): void => {
    if (context === 'PprofModule') lines.push(String(message));
  };
  return { log, warn: log, error: log };
}
