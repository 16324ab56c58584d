/*
 * What is waited for outside of the event loop, all of it in this process.
 */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const held = new Set<Socket>();
const names = createSocket('udp4').unref().bind(0, '127.0.0.1');
await once(names, 'listening');

/** Take what they are sent, and never answer. */
export const silent = {
  port: await portOf(createServer((socket) => held.add(socket.on('error', () => {})))),
  /** It begins an answer, and does not end it. */
  half: await portOf(
    createHttpServer((_, response) => {
      held.add(response.socket!);
      response.write('half');
    }),
  ),
  /** For names. */
  dns: `127.0.0.1:${names.address().port}`,
  hangUp(): void {
    for (const socket of held) socket.destroy();
    held.clear();
  },
};

/** Answers a line of numbers, such as `50 50`, by a word after each of so many ms. */
function answerSlowly(socket: Socket): void {
  socket.on('error', () => {});
  socket.once('data', (line) => {
    const delays = String(line).trim().split(' ').map(Number);
    const answer = (): void => {
      const ms = delays.shift();
      if (ms === undefined) socket.end();
      else setTimeout(() => socket.write('word', answer), ms);
    };
    answer();
  });
}

/** Answers `/50` after so many ms. */
function answerLate({ url }: { readonly url?: string }, response: ServerResponse): void {
  setTimeout(() => response.end('late'), Number(url!.slice(1)));
}

export const slow = {
  port: await portOf(createServer(answerSlowly)),
  url: `http://127.0.0.1:${await portOf(createHttpServer(answerLate))}`,
};

/** A file that is opened for reading as soon as somebody opens it for writing. */
export const fifo = {
  path: join(mkdtempSync(join(tmpdir(), 'nestjs-pprof-waiting-')), 'fifo'),
  async write(): Promise<void> {
    await writeFile(this.path, 'text');
  },
};
execFileSync('mkfifo', [fifo.path]);
process.on('exit', () => rmSync(dirname(fifo.path), { recursive: true, force: true }));
