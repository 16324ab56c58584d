import { createHook } from 'node:async_hooks';
import { pbkdf2 } from 'node:crypto';
import { lookup, Resolver } from 'node:dns';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzip } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { ONE_CALLBACK, STATE_OF_RESOURCE, stateOfModule } from './wait-state.js';

const FILE = fileURLToPath(import.meta.url);

/** The states of all resources that begin while something is asked. */
async function statesOf(ask: (done: () => void) => void): Promise<Set<string | undefined>> {
  const states = new Set<string | undefined>();
  const hook = createHook({ init: (_, type) => states.add(STATE_OF_RESOURCE.get(type)) });
  const done = new Promise<void>((resolve) => {
    hook.enable();
    ask(resolve);
    hook.disable();
  });
  await done;
  states.delete(undefined);
  return states;
}

describe('the state of a resource of Node’s', () => {
  it.each<[string, string, (done: () => void) => void]>([
    ['sleep', 'a timer', (done) => setTimeout(done, 1)],
    ['syscall', 'a file', (done) => readFile(FILE, done)],
    ['syscall', 'what the thread pool computes', (done) => pbkdf2('a', 'b', 1, 8, 'sha1', done)],
    ['syscall', 'what is compressed', (done) => gzip('a', done)],
    ['IO wait', 'a name', (done) => lookup('localhost', done)],
  ])('is %s for %s', async (state, _, ask) => {
    expect(await statesOf(ask)).toEqual(new Set([state]));
  });

  it('is IO wait for sockets', async () => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const states = await statesOf((done) => connect(port, '127.0.0.1').once('close', done));
    server.close();
    expect(states).toEqual(new Set(['IO wait']));
  });

  it('is IO wait for packets, and for the names that a server is asked', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${socket.address().port}`]);
    const states = await statesOf((done) => {
      resolver.resolve4('example.com', () => done());
      resolver.cancel();
    });
    socket.close();
    expect(states).toEqual(new Set(['IO wait']));
  });

  it('is known for all whose callback is waited for', () => {
    expect([...ONE_CALLBACK].filter((type) => !STATE_OF_RESOURCE.has(type))).toEqual([]);
  });
});

describe('the state by a module of Node’s that awaits', () => {
  it.each([
    'node:internal/deps/undici/undici',
    'node:net',
    'node:_http_client',
    'node:internal/streams/readable',
  ])('is IO wait: %s', (url) => expect(stateOfModule(url)).toBe('IO wait'));

  it.each(['node:timers/promises', 'node:internal/fs/promises', 'node:events', 'file:///app/net.js', ''])(
    'is not known: %j',
    (url) => expect(stateOfModule(url)).toBeUndefined(),
  );
});
