import { EventEmitter, once } from 'node:events';
import { request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type CanActivate, type INestApplication, Post, Req } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { finalize } from 'rxjs';
import { PprofEndpoint, PprofHandler, pprofRequest, SymbolTable } from '../../src/index.js';
import { addressFor } from '../../src/profiling/frames/symbol-table.js';
import { type AdapterName, ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { type ContractRow, brokenRows, checkRow, HEAD, refused, text, TEXTS } from '../support/contract.js';
import { request } from '../support/http.js';

const NONE = 'num_symbols: 1\n';
const FULL = `${NONE}reading request: bufio: buffer full\n`;
const MIB = 2 ** 20;

const ADDRESS = known('openConnection');
const HEX = `0x${ADDRESS.toString(16)}`;
const NEXT = `0x${(ADDRESS + 1).toString(16)}`;
const FOUND = `${NONE}${HEX} openConnection\n`;

/** Puts a function into the process's table. */
function known(functionName: string): number {
  return addressFor({ functionName, filename: '/app/pool.js', line: 3, column: 1 }, functionName);
}

const asked = (words: string, promise: string, details?: Partial<ContractRow>): ContractRow =>
  text(`/symbol?${words}`, promise, { text: NONE, ...details });

const posted = (what: string, body: string | Uint8Array, details?: Partial<ContractRow>): ContractRow =>
  text('/symbol', '', {
    title: `POST /symbol with ${what} returns 200`,
    method: 'POST',
    body,
    text: NONE,
    ...details,
  });

const QUERIES: readonly ContractRow[] = [
  text('/symbol', 'no address, no line', { text: NONE }),
  asked(HEX, 'the name at an address', { text: FOUND }),
  asked(NEXT, 'the name at an address that the text of a profile shows', {
    text: FOUND.replace(HEX, NEXT),
  }),
  asked(`${HEX}+zzz+0x1+${ADDRESS}`, 'unknown words have no line', {
    text: `${FOUND}${HEX} openConnection\n`,
  }),
  asked(`${HEX}%2B${HEX}`, 'the query is not decoded'),
  asked(HEX.replace('0', '%30'), 'the query is not decoded'),
  asked(`x=${HEX}`, 'the query is not parsed'),
  asked('debug=1', 'parameters are words like others'),
  asked('7'.repeat(5000), 'a word of 5,000 digits', { text: FULL }),
  asked(`<script>alert(1)</script>+"'+../../x+%00+%0d%0aX-Evil:%201`, 'nothing of the query comes back', {
    header: { 'x-evil': '' },
  }),
  asked(HEX, 'HEAD sends the same headers', HEAD),
  asked(HEX, 'no compression', { text: FOUND, headers: { 'accept-encoding': 'gzip' } }),
  text(`/symbolz?${HEX}`, 'it is symbol by another name', { text: FOUND }),
  text('/symbolz', 'it is symbol by another name', { text: FOUND, method: 'POST', body: HEX }),
];

/** Headers of a body that clients send. */
const HEADERS: Readonly<Record<string, Record<string, string>>> = {
  'no content type': {},
  'octets, as go tool pprof sends': { 'content-type': 'application/octet-stream' },
  'a text': { 'content-type': 'text/plain' },
  'a text of another charset': { 'content-type': 'text/plain; charset=utf-16' },
  'what is said to be JSON': { 'content-type': 'application/json' },
  'what is said to be a form, as curl -d does': { 'content-type': 'application/x-www-form-urlencoded' },
  'what is said to be multipart': { 'content-type': 'multipart/form-data' },
  'an unknown content type': { 'content-type': 'application/x-nobody-knows' },
  'a malformed content type': { 'content-type': ';;' },
  'what is said to be gzip': { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
  'an unknown encoding': { 'content-encoding': 'klingon' },
  'a method to override': { 'x-http-method-override': 'GET' },
  'Expect: 100-continue': { expect: '100-continue' },
};
const ANY_HEADERS = Object.entries(HEADERS).map(([what, headers]) =>
  posted(what, `${HEX}+zzz`, { headers, text: FOUND }),
);

const BODIES: readonly ContractRow[] = [
  ...ANY_HEADERS,
  posted('a query too, which does not count', NEXT, {
    path: `/symbol?${HEX}`,
    text: FOUND.replace(HEX, NEXT),
  }),
  posted('nothing', ''),
  posted('a newline at its end', `${HEX}+${HEX}\n`, { text: FOUND }),
  posted('NULs', '\0'.repeat(3000)),
  posted('10,000 NULs', '\0'.repeat(10_000), { text: FULL }),
  posted('bytes that are no text', Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7) % 256))),
  posted('two-byte characters: Go counts bytes', `${'é'.repeat(2048)}+${HEX}`, { text: FULL }),
  posted('two-byte characters: Go counts bytes', `${'é'.repeat(2047)}+${HEX}`, { text: FOUND }),
  posted('gzip', gzipSync('0x1+0x2')),
  posted('a word of 5,000 digits', '7'.repeat(5000), { text: FULL }),
  posted('markup and line breaks', '<script>\r\nX-Evil: 1\r\n\r\n"\'+../../x', { header: { 'x-evil': '' } }),
  posted('1 MiB', `${HEX}+`.padEnd(MIB, '0x1+'), { text: FOUND }),
];

const REFUSALS: readonly ContractRow[] = [
  ...[MIB + 1, 10 * MIB].map((length) =>
    refused('/symbol', 413, TEXTS.bodyTooLarge, { method: 'POST', body: '0x1+'.repeat(length / 4 + 1) }),
  ),
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'].map((method) =>
    refused('/symbol', 405, TEXTS.notAllowed, {
      method,
      body: HEX,
      header: { allow: 'GET, HEAD, POST' },
    }),
  ),
  ...['symbol/', 'Symbol', 'symbolzz'].map((name) => refused(`/${name}?${HEX}`, 404, TEXTS.unknown)),
];

type Incoming = AsyncIterable<Uint8Array> & { body?: unknown };

/** Middleware that reads every body, whatever it is said to be. */
const readingAs =
  (of: (text: string) => unknown) =>
  async (incoming: Incoming, _: unknown, next: () => void): Promise<void> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    incoming.body = of(Buffer.concat(chunks).toString());
    next();
  };

/** Express's parser of a type, and Fastify's one parser for all, read every body. */
const parsingAll =
  (type: 'text' | 'raw' | 'json' | 'urlencoded') =>
  (app: INestApplication, adapter: AdapterName): void => {
    if (adapter === 'express') (app as NestExpressApplication).useBodyParser(type, { type: () => true });
    else {
      (app as NestFastifyApplication).useBodyParser('*', {}, (_request, body, done) =>
        done(null, type === 'json' ? JSON.parse(String(body)) : body),
      );
    }
  };

interface Parsers {
  readonly name: string;
  readonly options?: AppSetup['options'];
  configure?(app: INestApplication, adapter: AdapterName): unknown;
}

const PARSERS: readonly Parsers[] = [
  { name: 'no parser', options: { bodyParser: false } },
  { name: 'raw bodies', options: { rawBody: true } },
  { name: 'a parser of texts for all', configure: parsingAll('text') },
  { name: 'a parser of bytes for all', configure: parsingAll('raw') },
  { name: 'a parser of JSON for all', configure: parsingAll('json') },
  { name: 'a parser of forms for all', configure: parsingAll('urlencoded') },
  { name: 'middleware that makes a text of it', configure: (app) => app.use(readingAs((text) => text)) },
  {
    name: 'middleware that makes bytes of it',
    configure: (app) => app.use(readingAs((text) => Buffer.from(text))),
  },
];

@PprofEndpoint({ name: 'echo', description: 'Its body.', methods: ['POST'] })
class EchoController {
  @Post()
  async read(@Req() incoming: object): Promise<string> {
    return `got ${Buffer.from(await pprofRequest(incoming).body()).toString()}`;
  }
}

describe.each(ADAPTERS)('symbol on %s', (adapter) => {
  describe('follows the contract', () => {
    let base: string;
    beforeAll(async () => {
      ({ base } = await startApp(adapter));
    });
    afterAll(closeApps);

    it.each([...QUERIES, ...BODIES, ...REFUSALS])('$title', (row) =>
      expect(checkRow(base, row)).resolves.toBeUndefined(),
    );

    it('symbol reads a body in pieces, where a word may be in two', async () => {
      const outgoing = nodeRequest(`${base}/symbol`, { method: 'POST', agent: false });
      for (const piece of [HEX.slice(0, 5), `${HEX.slice(5)}+`, HEX]) {
        await new Promise((resolve) => outgoing.write(piece, resolve));
      }
      outgoing.end();
      const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
      expect(await textOf(response)).toBe(`${FOUND}${HEX} openConnection\n`);
    });

    it('symbol writes one line for each name, whatever is in it', async () => {
      const names = ['two\r\nlines: 1', '<anonymous>', '<script>alert(1)</script>', '"../\0'];
      const shown = ['two  lines: 1', '(anonymous)', '(script)alert(1)(/script)', '"../ '];
      const addresses = names.map((name) => `0x${known(name).toString(16)}`);
      const lines = addresses.map((address, i) => `${address} ${shown[i]}\n`);
      await checkRow(base, asked(addresses.join('+'), 'odd names', { text: NONE + lines.join('') }));
    });

    it('a connection can be used after a body that is too large', async () => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      const path = `${new URL(base).pathname}/symbol`;
      socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${10 * MIB}\r\n\r\n`);
      socket.write(Buffer.alloc(10 * MIB, '+'));
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      const received = await textOf(socket);
      expect(received.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
      expect(received.endsWith(`\r\n\r\n${NONE}`)).toBe(true);
    });
  });

  describe('in applications of all kinds', () => {
    afterEach(closeApps);

    it.each(PARSERS)('symbol reads its body with $name', async ({ options, configure }) => {
      const { base } = await startApp(adapter, {
        options,
        configure: (app) => configure?.(app, adapter),
      });
      expect(await brokenRows(base, ANY_HEADERS)).toEqual([]);
    });

    it('symbol finds nothing where middleware has read the body and kept it', async () => {
      const { base } = await startApp(adapter, {
        configure: (app) => app.use(readingAs(() => ({ kept: true }))),
      });
      await checkRow(base, posted('a body that is gone', HEX));
    });

    it('symbol logs nothing when a client goes away within its body, and goes on', async () => {
      const handler = new EventEmitter();
      const errors: unknown[] = [];
      const { base } = await startApp(adapter, {
        options: { logger: { log() {}, warn() {}, error: (...message: unknown[]) => errors.push(message) } },
        pprof: {
          interceptors: [
            {
              intercept: (_, next) => {
                handler.emit('begin');
                return next.handle().pipe(finalize(() => handler.emit('end')));
              },
            },
          ],
        },
      });
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      const begun = once(handler, 'begin');
      socket.write(
        'POST /debug/pprof/symbol HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n0x1+',
      );
      await begun;
      const ended = once(handler, 'end');
      socket.destroy();
      await ended;
      await checkRow(base, posted('a body', HEX, { text: FOUND }));
      expect(errors).toEqual([]);
    });

    it('guards are asked before the body is read, and once', async () => {
      let asked = 0;
      const closed: CanActivate = { canActivate: () => ++asked < 0 };
      const { base } = await startApp(adapter, { pprof: { guards: [closed] } });
      for (const [method, body] of [
        ['GET', undefined],
        ['HEAD', undefined],
        ['POST', HEX],
        ['POST', Buffer.alloc(MIB + 1)],
        ['PUT', HEX],
      ] as const) {
        for (const name of ['symbol', 'symbolz']) {
          const { status, headers } = await request(`${base}/${name}`, { method, body });
          expect([method, name, status, headers.allow]).toEqual([method, name, 403, undefined]);
        }
      }
      expect(asked).toBe(10);
    });

    it('the index has a row for symbol, and none for symbolz', async () => {
      const { base } = await startApp(adapter);
      const page = (await request({ base, path: '/' })).text;
      expect(page).toContain('class="name">symbol<');
      expect(page).not.toContain('symbolz');
    });

    it("an application's own endpoint reads its body by pprofRequest, unless a parser made an object of it", async () => {
      const { base } = await startApp(adapter, { controllers: [EchoController] });
      const post = async (type: string, body: string): Promise<string> =>
        (await request(`${base}/echo`, { method: 'POST', body, headers: { 'content-type': type } })).text;
      expect(await post('text/plain', 'ä+b')).toBe('got ä+b');
      expect(await post('application/json', '{"a":1}')).toBe('got ');
    });

    it('PprofHandler.serve and SymbolTable find the same names', async () => {
      const { app } = await startApp(adapter);
      const handler = app.get(PprofHandler);
      const replies = await Promise.all([
        handler.serve('symbol', { query: HEX }),
        handler.serve('symbol', { query: NEXT, method: 'POST', body: HEX }),
        handler.serve('symbolz', { method: 'POST', body: Buffer.from(HEX) }),
      ]);
      for (const { status, body } of replies) expect([status, `${body}`]).toEqual([200, FOUND]);
      expect(`${(await handler.serve('symbol', { query: HEX, method: 'POST' })).body}`).toBe(NONE);
      const tooLarge = await handler.serve('symbol', { method: 'POST', body: Buffer.alloc(MIB + 1) });
      expect([tooLarge.status, tooLarge.body]).toEqual([413, `${TEXTS.bodyTooLarge}\n`]);
      expect(app.get(SymbolTable).nameOf(ADDRESS)).toBe('openConnection');
    });
  });
});
