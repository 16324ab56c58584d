import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Get, HttpException, Injectable, Module, Post, Req } from '@nestjs/common';
import { type PprofReply, PprofEndpoint, type PprofEndpointOptions, pprofRequest } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { UptimeController } from '../support/application-parts.js';
import { request } from '../support/http.js';

@Injectable()
class Clock {
  readonly now = 12;
}

const circular: Record<string, unknown> = {};
circular.self = circular;

/** What an endpoint may return, and what comes of it. */
const RESULTS: Record<string, { result: () => unknown; status: number; type: string; text: string }> = {
  text: { result: () => 'a\n', status: 200, type: 'text/plain; charset=utf-8', text: 'a\n' },
  nothing: { result: () => undefined, status: 200, type: 'text/plain; charset=utf-8', text: '' },
  number: { result: () => 7, status: 200, type: 'text/plain; charset=utf-8', text: '7' },
  bytes: { result: () => Buffer.from('ab'), status: 200, type: 'application/octet-stream', text: 'ab' },
  object: { result: () => ({ a: 1 }), status: 200, type: 'application/json; charset=utf-8', text: '{"a":1}' },
  promise: { result: async () => 'later', status: 200, type: 'text/plain; charset=utf-8', text: 'later' },
  'an ArrayBuffer': {
    result: () => new Uint8Array([97]).buffer,
    status: 200,
    type: 'application/octet-stream',
    text: 'a',
  },
  'an answer without a type': {
    result: () => ({ status: 202, headers: {}, body: 'a' }),
    status: 202,
    type: 'text/plain; charset=utf-8',
    text: 'a',
  },
  answer: {
    result: (): PprofReply => ({ status: 418, headers: { 'content-type': 'text/x-tea' }, body: 'tea' }),
    status: 418,
    type: 'text/x-tea',
    text: 'tea',
  },
};

/** What no response can be, and what code throws. */
const FAULTS: Record<string, () => unknown> = {
  'a status that there is not': () => ({ status: 9999, headers: {}, body: '' }),
  'a status that there is not, with 300,000 bytes': () => ({
    status: 1000,
    headers: {},
    body: 'a'.repeat(300_000),
  }),
  'a header that breaks the line': () => ({ status: 200, headers: { 'x-a': 'a\r\nb: c' }, body: '' }),
  'a body that is none': () => ({ status: 200, headers: {}, body: 7 }),
  'an object that holds itself': () => circular,
  'a stream': () => Readable.from(['a']),
  'an exception that cannot even be read': () => {
    throw Object.assign(new Error('secret'), {
      getStatus: () => {
        throw new Error('secret');
      },
    });
  },
  'an Error': () => {
    throw new Error('secret');
  },
  'a text': () => {
    throw 'secret'; // oxlint-disable-line no-throw-literal
  },
  'an exception with a status that there is not': () => {
    throw new HttpException('odd', 9999);
  },
};

let next: () => unknown = () => '';

@PprofEndpoint({ name: 'any', description: 'What the test wants.' })
class AnyController {
  @Get()
  read(): unknown {
    return next();
  }
}

abstract class Inherited {
  @Get()
  read(@Req() incoming: object): unknown {
    const { query, method, url } = pprofRequest(incoming);
    return { query, method, path: new URL(url).pathname };
  }
}

@PprofEndpoint({ name: 'inherited', description: 'Its handler is from a class above.' })
class InheritingController extends Inherited {}

@PprofEndpoint({ name: 'both', description: 'Reads and sets.', methods: ['GET', 'POST'] })
class BothController {
  constructor(private readonly clock: Clock) {}

  @Get()
  read(): string {
    return `${this.clock.now}`;
  }

  @Post()
  set(@Req() { body }: { body: { to: number } }): string {
    return `set to ${body.to}`;
  }
}

@Module({ controllers: [AnyController, InheritingController, BothController], providers: [Clock] })
class FeatureModule {}

afterEach(closeApps);

describe.each(ADAPTERS)("an application's own endpoint on %s", (adapter) => {
  const start = async (): Promise<string> => (await startApp(adapter, { imports: [FeatureModule] })).base;

  it.each(Object.entries(RESULTS))('may return %s', async (_, { result, status, type, text }) => {
    const base = await start();
    next = result;
    const answer = await request(`${base}/any`);
    expect(answer).toMatchObject({ status, text });
    expect(answer.headers).toMatchObject({ 'content-type': type, 'x-content-type-options': 'nosniff' });
  });

  it.each(Object.entries(FAULTS))(
    'returns 500 in one line for %s, and the service goes on',
    async (_, fault) => {
      const base = await start();
      next = fault;
      const answer = await request(`${base}/any`);
      expect(answer.status).toBe(500);
      expect(answer.headers['x-go-pprof']).toBe('1');
      expect(answer.text).toMatch(/^.+\n$/);
      expect(answer.text).not.toContain('secret');
      next = () => 'on';
      expect((await request(`${base}/any`)).text).toBe('on');
    },
  );

  it('may inherit its handler, and reads its request by Go’s rules', async () => {
    const base = await start();
    const { text } = await request(`${base}/inherited?a=%zz`);
    expect(JSON.parse(text)).toEqual({ query: 'a=%zz', method: 'GET', path: '/debug/pprof/inherited' });
  });

  it('may accept POST besides GET, and refuses other methods', async () => {
    const base = await start();
    expect((await request(`${base}/both`)).text).toBe('12');
    const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"to":3}' };
    expect(await request(`${base}/both`, json)).toMatchObject({ status: 200, text: 'set to 3' });
    const refused = await request(`${base}/both`, { method: 'DELETE' });
    expect(refused.status).toBe(405);
    expect(refused.headers.allow).toBe('GET, HEAD, POST');
  });

  it.each([
    ['a list of messages', new HttpException({ message: ['a', 'b'] }, 422), 422, 'a, b\n'],
    ['a message of lines', new HttpException('a\nb', 409), 409, 'a b\n'],
  ])('sends %s in one line', async (_, exception, status, text) => {
    const base = await start();
    next = () => {
      throw exception;
    };
    expect(await request(`${base}/any`)).toMatchObject({ status, text });
  });

  it('sends no body to HEAD', async () => {
    const base = await start();
    expect(await request(`${base}/both`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });
});

/** Decorates a class that has a handler for each of the decorators. */
function decorate(options: object, handlers: readonly MethodDecorator[]): void {
  class Odd {}
  const prototype = Odd.prototype as Record<string, unknown>;
  handlers.forEach((handler, i) => {
    prototype[`handle${i}`] = () => '';
    handler(prototype, `handle${i}`, Object.getOwnPropertyDescriptor(prototype, `handle${i}`)!);
  });
  PprofEndpoint(options as PprofEndpointOptions)(Odd);
}

describe('@PprofEndpoint', () => {
  it.each([
    [{ name: 'x' }, [Get()], 'invalid description undefined: expected a sentence'],
    [{ description: 'x' }, [Get()], 'invalid name undefined: expected letters, digits and ._-'],
    [
      { name: 'x', description: 'x', methods: ['PUT'] },
      [Get()],
      'invalid list of methods ["PUT"]: expected GET and POST',
    ],
    [
      { name: 'x', description: 'x', methods: [] },
      [Get()],
      'invalid list of methods []: expected GET and POST',
    ],
    [{ name: 'x', description: 'x', method: 'POST' }, [Get()], 'unknown option "method"'],
    [
      { name: 'x', description: 'x', methods: ['POST'] },
      [Get()],
      '"x" accepts POST and has no handler for it',
    ],
    [{ name: 'x', description: 'x' }, [], '"x" accepts GET and has no handler for it'],
    [{ name: 'x', description: 'x' }, [Get(), Get('sub')], 'a handler of "x" has a path of its own'],
  ])('refuses %j (%#)', (options, handlers, message) => {
    expect(() => decorate(options, handlers)).toThrow(`PprofEndpoint: ${message}`);
  });

  it('refuses a class that extends an endpoint, whose handlers and guards it would have twice', () => {
    class Extending extends UptimeController {}
    expect(() => PprofEndpoint({ name: 'more', description: 'More.' })(Extending)).toThrow(
      'PprofEndpoint: "more" extends the endpoint "uptime"; put what they share into a class that is not an endpoint',
    );
  });
});
