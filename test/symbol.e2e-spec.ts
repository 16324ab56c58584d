import { once } from 'node:events';
import { request as nodeRequest } from 'node:http';
import { connect } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { type CanActivate, type INestApplication, Injectable, Post, Req } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  PprofEndpoint,
  PprofHandler,
  type ProfileSampleSource,
  ProfileSource,
  ProfilerService,
  type SourceSample,
  SymbolTable,
} from '../src/index.js';
import { type AdapterName, ADAPTERS, type AppSetup, closeApps, startApp } from './support/app.js';
import { type Answer, request, type RequestOptions } from './support/http.js';
import { linesOf } from './support/log.js';
import { DecodedProfile } from './support/process.js';

const NONE = 'num_symbols: 1\n';
const FULL = `${NONE}reading request: bufio: buffer full\n`;

/** What a function may be called, and how it is shown. */
const NAMES: Readonly<Record<string, string>> = {
  openConnection: 'openConnection',
  'Object.<anonymous>(a, b)': 'Object.<anonymous>(a, b)',
  'two\nlines': 'two lines',
  'a\r\nb\tc\0d\u001b[31m\u007f': 'a  b c d [31m ',
  '0x1 evil\n0x2 worse': '0x1 evil 0x2 worse',
  'größe → ☃': 'größe → ☃',
  'a+b': 'a+b',
  '<anonymous>': '(anonymous)', // which clients would take for C++
};

@ProfileSource({ name: 'functions', description: 'One sample for each name.' })
@Injectable()
class Functions implements ProfileSampleSource {
  samples(): SourceSample[] {
    return Object.keys(NAMES).map((name, i) => ({
      stack: [{ name, filename: '/app/pool.js', line: i + 1 }],
      values: [1],
    }));
  }
}

/** The addresses of {@link NAMES}, in a profile that this application has served. */
async function addressesIn(base: string): Promise<ReadonlyMap<string, number>> {
  const { body } = await request(`${base}/functions`);
  return new Map(new DecodedProfile(body).places.map(({ name, address }) => [name, address]));
}

/** V8 has names that are all in `<>`. */
const shown = (name: string): string =>
  Object.hasOwn(NAMES, name) ? NAMES[name]! : name.replace(/^<(.*)>$/, '($1)');

const hex = (address: number): string => `0x${address.toString(16)}`;

const underscored = (address: number): string =>
  hex(address).replaceAll(/(?<=[0-9a-f])(?=([0-9a-f]{4})+$)/g, '_');

/** What is asked of an address, and the lines that answer it. */
const WORDS: Record<string, (address: number) => [words: string, ...found: number[]]> = {
  'in hexadecimals': (a) => [hex(a), a],
  'in capitals': (a) => [`0X${a.toString(16).toUpperCase()}`, a],
  'in decimals': (a) => [String(a), a],
  'in octals': (a) => [`0o${a.toString(8)}`, a],
  "in C's octals": (a) => [`0${a.toString(8)}`, a],
  'in binary digits': (a) => [`0b${a.toString(2)}`, a],
  'with underscores': (a) => [underscored(a), a],
  'with an underscore after the prefix': (a) => [hex(a).replace('x', 'x_'), a],
  'with leading zeros': (a) => [hex(a).replace('x', 'x0000'), a],
  'with two underscores': (a) => [hex(a).replace('x', 'x__')],
  'with an underscore at the end': (a) => [`${hex(a)}_`],
  'plus one, as the text of a profile shows it': (a) => [hex(a + 1), a + 1],
  'plus two': (a) => [hex(a + 2)],
  'minus one': (a) => [hex(a - 1)],
  'twice, and plus one': (a) => [`${hex(a)}+${hex(a)}+${hex(a + 1)}`, a, a, a + 1],
  'among what is unknown': (a) => [`zzz+0x1+${hex(a)}+0+-1+1e3+0x+++${hex(a)}+`, a, a],
  'with a space before it': (a) => [`%20${hex(a)}+${hex(a)}`, a],
  'with a fraction': (a) => [`${a}.0`],
  'with letters after it': (a) => [`${hex(a)}g+${a}n`],
  'negative, or with a sign': (a) => [`-${a}`],
  'after a word of 4095 bytes': (a) => [`${'z'.repeat(4095)}+${hex(a)}`, a],
  'above 2^53': (a) => [`${hex(a)}00000+0xffffffffffffffff+0x1${'0'.repeat(30)}`],
};

/** Bodies as clients send them, each with words in it. */
const HEADERS: Record<string, RequestOptions['headers']> = {
  'no content type': {},
  'octets, as go tool pprof does': { 'content-type': 'application/octet-stream' },
  text: { 'content-type': 'text/plain' },
  'text of an odd charset': { 'content-type': 'text/plain; charset=utf-16' },
  'JSON, which it is not': { 'content-type': 'application/json' },
  'a form': { 'content-type': 'application/x-www-form-urlencoded' },
  'a multipart form without a boundary': { 'content-type': 'multipart/form-data' },
  'a multipart form': { 'content-type': 'multipart/form-data; boundary=x' },
  'what nobody knows': { 'content-type': 'application/x-nobody-knows' },
  'a content type that is none': { 'content-type': ';;' },
  'gzip, which it is not': { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
  'an unknown encoding': { 'content-encoding': 'klingon' },
  'a method to override': { 'x-http-method-override': 'GET' },
  'Expect: 100-continue': { expect: '100-continue' },
};

type Next = () => void;
interface Incoming extends AsyncIterable<Uint8Array> {
  body?: unknown;
}

/** Middleware that reads every body, whatever it is said to be. */
const readingAs =
  (of: (text: string) => unknown) =>
  async (incoming: Incoming, _: unknown, next: Next): Promise<void> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    incoming.body = of(Buffer.concat(chunks).toString());
    next();
  };

function parseAll(
  type: 'text' | 'raw' | 'json' | 'urlencoded',
  app: INestApplication,
  adapter: AdapterName,
): void {
  if (adapter === 'express') (app as NestExpressApplication).useBodyParser(type, { type: () => true });
  else {
    (app as NestFastifyApplication).useBodyParser('*', {}, (_request, body, done) =>
      type === 'json' ? done(null, JSON.parse(String(body))) : done(null, body),
    );
  }
}

/** How applications read bodies. */
const PARSERS: Record<string, AppSetup & { at?(app: INestApplication, adapter: AdapterName): unknown }> = {
  'no parser': { options: { bodyParser: false } },
  'raw bodies': { options: { rawBody: true } },
  'a parser of texts for all': { at: (...on) => parseAll('text', ...on) },
  'a parser of bytes for all': { at: (...on) => parseAll('raw', ...on) },
  'a parser of JSON for all': { at: (...on) => parseAll('json', ...on) },
  'a parser of forms for all': { at: (...on) => parseAll('urlencoded', ...on) },
  'middleware that makes a text of it': { at: (app) => app.use(readingAs((text) => text)) },
  'middleware that makes bytes of it': { at: (app) => app.use(readingAs((text) => Buffer.from(text))) },
};

describe.each(ADAPTERS)('symbol on %s', (adapter) => {
  describe.each(['symbol', 'symbolz'])('as %s', (name) => {
    let base: string;
    let addresses: ReadonlyMap<string, number>;
    let address: number;

    beforeAll(async () => {
      ({ base } = await startApp(adapter, { providers: [Functions] }));
      addresses = await addressesIn(base);
      address = addresses.get('openConnection')!;
    });
    afterAll(closeApps);

    const post = (body: string | Uint8Array, headers = {}): Promise<Answer> =>
      request({ base, path: `/${name}` }, { method: 'POST', body, headers });
    const answerTo = (found: readonly number[]): string =>
      NONE + found.map((one) => `${hex(one)} openConnection\n`).join('');

    it.each(Object.entries(WORDS))('is asked by an address %s', async (_, asked) => {
      const [words, ...found] = asked(address);
      expect(await request({ base, path: `/${name}?${words}` })).toMatchObject({
        status: 200,
        text: answerTo(found),
      });
      expect(await post(words)).toMatchObject({ status: 200, text: answerTo(found) });
    });

    it('does not decode its query', async () => {
      const [a, b] = [hex(address), hex(address + 1)];
      expect((await request({ base, path: `/${name}?${a}%2B${b}` })).text).toBe(NONE);
      expect((await request({ base, path: `/${name}?${a.replace('0', '%30')}` })).text).toBe(NONE);
      expect((await request({ base, path: `/${name}?x=${a}` })).text).toBe(NONE);
    });

    it('reads the body of a POST and not its query', async () => {
      const asked = request(
        { base, path: `/${name}?${hex(address)}` },
        { method: 'POST', body: hex(address + 1) },
      );
      expect((await asked).text).toBe(answerTo([address + 1]));
    });

    it.each(['\n', '\r\n', ' ', '\0'])('does not know a word that ends with %j', async (end) => {
      const a = hex(address);
      expect((await post(`${a}${end}`)).text).toBe(NONE);
      expect((await post(`${a}+${a}${end}`)).text).toBe(answerTo([address]));
      expect((await post(`${a}${end}+${a}`)).text).toBe(answerTo([address]));
    });

    it.each([4096, 4097, 5000])('stops at a word of %d bytes', async (length) => {
      const words = `${hex(address)}+${'1'.repeat(length)}+${hex(address)}`;
      const expected = answerTo([address]) + FULL.slice(NONE.length);
      expect(await post(words)).toMatchObject({ status: 200, text: expected });
      expect((await request(`${base}/${name}?${words}`)).text).toBe(expected);
    });

    it('has the name of each address in one line, and nothing else in it', async () => {
      const words = [...addresses.values()].map(hex).join('+');
      const expected = [...addresses].map(([shown, at]) => `${hex(at)} ${NAMES[shown]}\n`).join('');
      expect(addresses.size).toBe(Object.keys(NAMES).length);
      expect(await post(words)).toMatchObject({ status: 200, text: NONE + expected });
    });

    it.each(Object.entries(HEADERS))('reads a body with %s', async (_, headers) => {
      const answer = await post(`${hex(address)}+zzz`, headers);
      expect(answer).toMatchObject({ status: 200, text: answerTo([address]) });
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
      });
      expect(answer.headers).not.toHaveProperty('content-disposition');
    });

    it('reads a body in pieces, where a word may be in two', async () => {
      const a = hex(address);
      expect(await inPieces(`${base}/${name}`, [a.slice(0, 5), `${a.slice(5)}+`, a])).toBe(
        answerTo([address, address]),
      );
    });

    it.each<[string, string | Uint8Array, string]>([
      ['that is empty', '', NONE],
      ['of nothing but separators', '+'.repeat(10_000), NONE],
      ['of NULs', '\0'.repeat(3000), NONE],
      ['of bytes that are no text', Uint8Array.from({ length: 4000 }, (_, i) => (i * 7) % 256), NONE],
      ['that is really gzip', gzipSync('0x1+0x2'), NONE],
      ['of one word of 5,000 digits', '7'.repeat(5000), FULL],
      ['of one word of 100,000 digits', '7'.repeat(100_000), FULL],
      ['of zeros', '0'.repeat(4095), NONE],
      ['of underscores', `0x${'_'.repeat(4000)}`, NONE],
      ['of a prefix alone', '0x+0b+0o+0', NONE],
    ])('answers a body %s', async (_, body, text) => {
      expect(await post(body)).toMatchObject({ status: 200, text });
    });

    it('takes 1 MiB and no more, and goes on', async () => {
      const limit = 1024 * 1024;
      const most = `${hex(address)}+`.padEnd(limit, '0x1+');
      expect(await post(most)).toMatchObject({ status: 200, text: answerTo([address]) });
      for (const length of [limit + 1, 10 * limit]) {
        const refused = await post(Buffer.alloc(length, '0x1+'));
        expect(refused).toMatchObject({ status: 413, text: 'Request Entity Too Large\n' });
        expect(refused.headers['x-go-pprof']).toBe('1');
      }
      expect((await post(hex(address))).text).toBe(answerTo([address]));
    });

    it('leaves a connection usable after a body that is too large', async () => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      const path = `${new URL(base).pathname}/${name}`;
      const length = 10 * 1024 * 1024;
      socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`);
      socket.write(Buffer.alloc(length, '+'));
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      const received = await textOf(socket);
      expect(received.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
      expect(received).toMatch(/\r\n\r\nnum_symbols: 1\n$/);
    });

    it('survives a client that goes away within its body, without a word', async () => {
      const socket = connect(Number(new URL(base).port), '127.0.0.1');
      await once(socket, 'connect');
      const path = `${new URL(base).pathname}/${name}`;
      const logged = await linesOf(async () => {
        socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n0x1+`);
        await post('0x1'); // that the other one has been read
        socket.destroy();
        await once(socket, 'close');
        await post('0x1');
        await post('0x1');
      });
      expect(logged.errors).toEqual([]);
      expect((await post(hex(address))).text).toBe(answerTo([address]));
    });

    it.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])('does not take %s', async (method) => {
      const answer = await request({ base, path: `/${name}` }, { method, body: hex(address) });
      expect(answer).toMatchObject({ status: 405, text: 'Method Not Allowed\n' });
      expect(answer.headers).toMatchObject({ allow: 'GET, HEAD, POST', 'x-go-pprof': '1' });
    });

    it('answers HEAD without a body', async () => {
      const answer = await request({ base, path: `/${name}?${hex(address)}` }, { method: 'HEAD' });
      expect(answer).toMatchObject({ status: 200, text: '' });
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    });
  });

  describe('whatever the application does with bodies', () => {
    afterEach(closeApps);

    it('and if middleware keeps it to itself, there is nothing to answer', async () => {
      const { base } = await startApp(adapter, {
        configure: (app) => app.use(readingAs(() => ({ kept: true }))),
      });
      expect(await request(`${base}/symbol`, { method: 'POST', body: '0x1' })).toMatchObject({
        status: 200,
        text: NONE,
      });
    });

    it.each(Object.entries(PARSERS))('%s', async (_, { at, options }) => {
      const { base } = await startApp(adapter, {
        providers: [Functions],
        options,
        configure: (app) => at?.(app, adapter),
      });
      const address = (await addressesIn(base)).get('openConnection')!;
      for (const headers of [{}, ...Object.values(HEADERS)]) {
        const answer = await request(`${base}/symbol`, { method: 'POST', body: hex(address), headers });
        expect(answer).toMatchObject({ status: 200, text: `${NONE}${hex(address)} openConnection\n` });
      }
    });
  });

  describe('knows', () => {
    afterEach(closeApps);

    it.each(['heap', 'profile?seconds=1', 'allocs', 'heap?seconds=1', 'allocs?seconds=1', 'functions'])(
      'all addresses of %s, and those plus one',
      async (path) => {
        const { base } = await startApp(adapter, {
          providers: [Functions],
          pprof: { memProfileRate: 1024 },
        });
        const { places } = new DecodedProfile((await request(`${base}/${path}`)).body);
        const inCode = places.filter(({ file }) => file !== ''); // (external) and the like are not
        expect(inCode.length).toBeGreaterThan(0);
        const words = inCode.flatMap(({ address }) => [address, address + 1]).map(hex);
        const { text } = await request(`${base}/symbol`, { method: 'POST', body: words.join('+') });
        const expected = inCode.flatMap(({ name, address }) =>
          [address, address + 1].map((at) => `${hex(at)} ${shown(name)}`),
        );
        expect(text.split('\n').slice(1, -1)).toEqual(expected);
      },
    );

    it.each(['heap', 'allocs', 'functions'])('all addresses in the text of %s', async (path) => {
      const { base } = await startApp(adapter, {
        providers: [Functions],
        pprof: { memProfileRate: 1024 },
      });
      const { text } = await request(`${base}/${path}?debug=1`);
      const asked = text.match(/(?<=^\d.*@.*) 0x[0-9a-f]+/gm)!.map((address) => address.trim());
      expect(asked.length).toBeGreaterThan(5);
      const answer = await request(`${base}/symbol`, { method: 'POST', body: asked.join('+') });
      const answered = new Map(
        answer.text
          .split('\n')
          .slice(1, -1)
          .map((line) => [line.split(' ', 1)[0]!, line.slice(line.indexOf(' ') + 1)]),
      );
      expect(asked.filter((address) => !answered.has(address))).toEqual([]);
      // As go tool pprof asks, which has taken one off each of them; the comments show these.
      const frames = [...text.matchAll(/^#\t(0x[0-9a-f]+)\t+(.+?)\+0x[0-9a-f]+(\t|$)/gm)];
      expect(frames.length).toBeGreaterThan(5);
      const { text: names } = await request(`${base}/symbol`, {
        method: 'POST',
        body: frames.map(([, address]) => address).join('+'),
      });
      expect(names.split('\n').slice(1, -1)).toEqual(
        frames.map(([, address, name]) => `${address} ${shown(name!)}`),
      );
    });

    it('those of a capture in code, and is asked in code', async () => {
      const { app } = await startApp(adapter, { providers: [Functions] });
      const captured = await app.get(ProfilerService).lookup('functions')!.collect();
      const [place] = new DecodedProfile(await captured.encode()).places;
      expect(app.get(SymbolTable).nameOf(place!.address)).toBe('openConnection');
      const answers = await Promise.all([
        app.get(PprofHandler).serve('symbol', { query: hex(place!.address) }),
        app.get(PprofHandler).serve('symbol', { method: 'POST', body: Buffer.from(hex(place!.address)) }),
      ]);
      for (const { status, body } of answers) {
        expect({ status, body }).toEqual({
          status: 200,
          body: `${NONE}${hex(place!.address)} openConnection\n`,
        });
      }
    });
  });

  describe('and the rest of the library', () => {
    afterEach(closeApps);

    it('have their turns while many words are read', async () => {
      const { app, base } = await startApp(adapter, { providers: [Functions] });
      const address = (await addressesIn(base)).get('openConnection')!;
      const body = Buffer.from(`${hex(address)}+`.repeat(60_000));
      let turns = 0;
      const others = setInterval(() => turns++, 1);
      const answer = await app.get(PprofHandler).serve('symbol', { method: 'POST', body });
      clearInterval(others);
      expect(String(answer.body).split('\n')).toHaveLength(60_002);
      expect(turns).toBeGreaterThan(3);
    });

    it('is a row of the index, and symbolz is none', async () => {
      const { base } = await startApp(adapter);
      const { text } = await request({ base, path: '/' });
      expect(text).toContain('<a href="symbol">');
      expect(text).not.toContain('symbolz');
    });

    describe('at the root of the server, where clients before Go 1.24 ask', () => {
      const body = '0x1';
      const ask = async (setup: AppSetup, method = 'POST'): Promise<[number, string]> => {
        const { url } = await startApp(adapter, setup);
        const { status, text } = await request(`${url}/symbolz`, {
          method,
          body: method === 'GET' ? undefined : body,
        });
        return [status, text];
      };

      it('knows the names of texts that were at a path of their own', async () => {
        const { url } = await startApp(adapter, {
          pprof: { path: 'ops/profiles' },
          providers: [Functions],
          configure: (app) => app.setGlobalPrefix('api'),
        });
        const address = (await addressesIn(`${url}/api/ops/profiles`)).get('openConnection')!;
        expect(await request(`${url}/symbolz`, { method: 'POST', body: hex(address) })).toMatchObject({
          status: 200,
          text: `${NONE}${hex(address)} openConnection\n`,
          headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
        });
      });

      it.each<[string, AppSetup, string]>([
        ['debug/pprof is in the path', { pprof: { path: 'ops/debug/pprof' } }, 'POST'],
        ['it is the default path', {}, 'POST'],
        ['it is switched off', { pprof: { path: 'ops', endpoints: { symbolz: false } } }, 'POST'],
        ['it is not asked by POST', { pprof: { path: 'ops' } }, 'GET'],
        ['the endpoints have a port of their own', { pprof: { path: 'ops', listen: { port: 0 } } }, 'POST'],
      ])('is the application’s where %s', async (_, setup, method) => {
        const [status, text] = await ask(setup, method);
        expect([status, JSON.parse(text)]).toEqual([404, expect.objectContaining({ statusCode: 404 })]);
      });

      it('is behind the same guards, once', async () => {
        let asked = 0;
        const guard: CanActivate = { canActivate: () => ++asked < 0 };
        expect(await ask({ pprof: { path: 'ops', guards: [guard] } })).toEqual([403, 'Forbidden resource\n']);
        expect(asked).toBe(1);
      });
    });

    it.each(['symbol', 'symbolz'])('guards are asked before %s reads anything, and once', async (name) => {
      let asked = 0;
      const guard: CanActivate = { canActivate: () => ++asked < 0 };
      const { base } = await startApp(adapter, { pprof: { guards: [guard] } });
      for (const [method, body] of [
        ['GET', undefined],
        ['HEAD', undefined],
        ['POST', '0x1'],
        ['POST', Buffer.alloc(2 ** 20 + 1)],
        ['PUT', '0x1'],
      ] as const) {
        const answer = await request(`${base}/${name}`, { method, body });
        expect([method, answer.status]).toEqual([method, 403]);
        expect(answer.headers).not.toHaveProperty('allow');
      }
      expect(asked).toBe(5);
    });

    it('the default rules hold for POST', async () => {
      const { base } = await startApp(adapter);
      const headers = { 'x-forwarded-for': '127.0.0.1' };
      expect((await request(`${base}/symbol`, { method: 'POST', body: '0x1', headers })).status).toBe(403);
    });

    it('an endpoint of the application’s own may have its raw body too', async () => {
      @PprofEndpoint({ name: 'raw', description: 'Its body.', methods: ['POST'], rawBody: true })
      class RawController {
        @Post()
        read(@Req() incoming: { raw?: NodeJS.ReadableStream } & NodeJS.ReadableStream): Promise<string> {
          return textOf(incoming.raw ?? incoming);
        }
      }
      const { base } = await startApp(adapter, { controllers: [RawController] });
      const headers = { 'content-type': 'application/json' };
      expect(await request(`${base}/raw`, { method: 'POST', body: '{"a":', headers })).toMatchObject({
        status: 200,
        text: '{"a":',
      });
    });
  });
});

/** A POST whose body comes in chunks, without a length. */
async function inPieces(url: string, pieces: readonly string[]): Promise<string> {
  const outgoing = nodeRequest(url, { method: 'POST', agent: false });
  for (const piece of pieces) await new Promise((resolve) => outgoing.write(piece, resolve));
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
  return textOf(response);
}
