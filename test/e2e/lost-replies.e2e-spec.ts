import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CallHandler, Get } from '@nestjs/common';
import { firstValueFrom, map, race, Subject } from 'rxjs';
import { PprofEndpoint, ProfilerService, Tracer } from '../../src/index.js';
import { ADAPTERS, closeApps, shortCpuCaptures, startApp, windowOf } from '../support/app.js';
import { request } from '../support/http.js';

/** What else may happen to a response while a capture runs. */
const EVENTS: Readonly<Record<string, (response: ServerResponse, incoming: IncomingMessage) => unknown>> = {
  'a timeout replies with 503, as connect-timeout does': (response) => {
    response.statusCode = 503;
    response.end('Response timeout');
  },
  'somebody begins to write': (response) => response.writeHead(200).write('a'),
  'somebody sends the headers': (response) => response.flushHeaders(),
  'somebody writes without a head': (response) => response.write('a'),
  'somebody destroys the response': (response) => response.destroy(),
  'somebody destroys the request': (_, incoming) => incoming.destroy(),
  'a timeout destroys the socket': (_, { socket }) => socket.destroy(),
};

const ROWS = [
  ...Object.entries(EVENTS).map(([what, happen]) => ({ what, happen, name: 'profile' })),
  ...Object.entries(EVENTS)
    .slice(0, 2)
    .map(([what, happen]) => ({ what, happen, name: 'heap' })),
];

afterEach(closeApps);

describe.each(ADAPTERS)('a capture on %s', (adapter) => {
  it.each(ROWS)(
    '$name?seconds=30 ends at once when $what, and the log says why',
    async ({ what, happen, name }) => {
      const lines: string[] = [];
      const log = (message: unknown, context?: unknown): unknown =>
        context === 'PprofModule' && lines.push(String(message));
      const passing: [ServerResponse, IncomingMessage][] = [];
      const started = await startApp(adapter, {
        options: { logger: { log, warn: log, error: log } },
        configure: (app) =>
          app.use((incoming: IncomingMessage, response: ServerResponse, next: () => void) => {
            passing.push([response, incoming]);
            next();
          }),
      });
      lines.length = 0; // of the boot
      const { app, base, sampling } = started;
      const profiler = app.get(ProfilerService);
      const ended = firstValueFrom(profiler.captures);
      const begun = name === 'profile' ? sampling.begun() : windowOf(profiler.lookup(name)!);
      const client = new AbortController();
      const answer = request(`${base}/${name}?seconds=30`, { signal: client.signal }).catch(() => undefined);
      await begun;
      happen(...passing[0]!);
      expect(await ended).toMatchObject({ peer: '127.0.0.1', bytes: 0, received: false });
      const why = what.includes('destroys') ? 'the connection was closed' : 'something else sent a response';
      expect(lines).toEqual([
        expect.stringMatching(/^(profile|heap-delta) for 127\.0\.0\.1: canceled after [\d.]+ s \(.+\)$/),
      ]);
      expect(lines[0]).toContain(`(${why})`);
      client.abort(); // of what was begun and never ended
      await answer;
      expect(sampling.running.cpu).toBe(0);
      shortCpuCaptures(started);
      expect((await request(`${base}/profile`)).status).toBe(200);
    },
  );
});

/** While a trace is sent, nobody else can begin a response. */
const ENDS = ['a timeout replies', 'somebody destroys', 'a timeout destroys'];

describe.each(ADAPTERS)('a trace on %s', (adapter) => {
  it.each(Object.keys(EVENTS).filter((what) => ENDS.some((end) => what.startsWith(end))))(
    'ends at once when %s, and the next one works',
    async (what) => {
      const passing: [ServerResponse, IncomingMessage][] = [];
      const { app, base } = await startApp(adapter, {
        configure: (app) =>
          app.use((incoming: IncomingMessage, response: ServerResponse, next: () => void) => {
            passing.push([response, incoming]);
            next();
          }),
      });
      const [tracer, profiler] = [app.get(Tracer), app.get(ProfilerService)];
      const ended = firstValueFrom(profiler.captures);
      const client = new AbortController();
      const answer = request(`${base}/trace?seconds=300`, { signal: client.signal }).catch(() => undefined);
      while (!tracer.isEnabled()) await nextTurn();
      EVENTS[what]!(...passing[0]!);
      expect(await ended).toMatchObject({ profile: 'trace', peer: '127.0.0.1', received: false });
      expect(tracer.isEnabled()).toBe(false);
      client.abort();
      await answer;
      expect((await request(`${base}/trace?seconds=0.01`)).status).toBe(200);
    },
  );
});

describe.each(ADAPTERS)('an interceptor of the module on %s', (adapter) => {
  it('that replies before the capture has ended, as one with a timeout, ends it', async () => {
    const elapsed = new Subject<object>();
    const timeout = {
      intercept: (_: unknown, next: CallHandler) =>
        race(next.handle(), elapsed.pipe(map(() => ({ status: 503, headers: {}, body: 'too slow\n' })))),
    };
    const { app, base, sampling } = await startApp(adapter, { pprof: { interceptors: [timeout] } });
    const ended = firstValueFrom(app.get(ProfilerService).captures);
    const begun = sampling.begun();
    const reply = request(`${base}/profile?seconds=300`);
    await begun;
    elapsed.next({});
    elapsed.complete();
    expect(await reply).toMatchObject({ status: 503, text: 'too slow\n' });
    expect(await ended).toMatchObject({ bytes: 0, received: false });
    expect(sampling.running.cpu).toBe(0);
  });
});

const CHUNK = 256 * 1024;
const LARGE = Buffer.from(Uint8Array.from({ length: 8 * CHUNK + 5 }, (_, i) => i % 251));

const PATH = '/debug/pprof/large';

@PprofEndpoint({ name: 'large', description: 'Replies with 2 MiB.' })
class LargeEndpoint {
  @Get()
  read(): Buffer {
    return LARGE;
  }
}

describe.each(ADAPTERS)('a reply of 2 MiB on %s', (adapter) => {
  /** Starts an application; `onWrite` is called for each piece of a reply. Its `/held` is never replied to. */
  const start = async (onWrite: (response: ServerResponse, size: number) => void): Promise<string> => {
    const { url } = await startApp(adapter, {
      controllers: [LargeEndpoint],
      configure: (app) =>
        app.use(({ url }: IncomingMessage, response: ServerResponse, next: () => void) => {
          if (url === '/held') return;
          const write = response.write.bind(response);
          response.write = (chunk: Buffer) => {
            onWrite(response, chunk.length);
            return write(chunk);
          };
          next();
        }),
    });
    return url;
  };

  const send = async (...[onWrite]: Parameters<typeof start>): Promise<Buffer> =>
    (await request(`${await start(onWrite)}${PATH}`)).body;

  it('is written in pieces of 256 KiB, each in a turn of its own of the event loop', async () => {
    let turn = 0;
    const count = (): void => {
      turn++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const written: [size: number, turn: number][] = [];
    const body = await send((_, size) => written.push([size, turn]));
    clearImmediate(next);
    expect(body.equals(LARGE)).toBe(true);
    expect(written.map(([size]) => size)).toEqual([...Array.from({ length: 8 }, () => CHUNK), 5]);
    expect(new Set(written.map(([, at]) => at)).size).toBe(9);
  });

  it('is given up when somebody destroys the response meanwhile', async () => {
    let pieces = 0;
    const reply = send((response) => {
      if (++pieces === 3) setImmediate(() => response.destroy());
    });
    await expect(reply).rejects.toThrow('aborted');
    expect(pieces).toBeLessThanOrEqual(4);
  });

  it('destroys the response when a later piece cannot be written', async () => {
    let pieces = 0;
    const reply = send(() => {
      if (++pieces === 3) throw new Error('somebody has wrapped write');
    });
    await expect(reply).rejects.toThrow('aborted');
    expect(pieces).toBe(3);
  });

  it('is 500 when the first piece cannot be written', async () => {
    const body = await send(() => {
      throw new Error('somebody has wrapped write');
    });
    expect(String(body)).toBe('Internal Server Error\n');
  });

  it('is given up when the client leaves while it waits for another on its connection', async () => {
    let pieces = 0;
    let begin!: (response: ServerResponse) => void;
    const begun = new Promise<ServerResponse>((resolve) => (begin = resolve));
    const url = await start((response) => {
      pieces++;
      begin(response);
    });
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.write(['/held', PATH].map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''));
    const response = await begun;
    const closed = once(response.req.socket, 'close');
    client.destroy();
    await closed;
    for (let turn = 0; turn < 20; turn++) await nextTurn(); // more than there are pieces
    expect(pieces).toBe(1);
    expect(response.listenerCount('drain')).toBe(0);
  });

  it('is not written for HEAD', async () => {
    let pieces = 0;
    const url = await start(() => pieces++);
    expect(await request(`${url}${PATH}`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
    expect(pieces).toBe(0);
  });
});
