import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { describeWith, TestProcess } from './process.js';

const NGINX = '/usr/sbin/nginx';

/** `describe` for tests that need nginx. */
export const describeNginx = describeWith(NGINX, ['-v']);

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-nginx-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/**
 * Starts nginx with a server for each of these configurations.
 *
 * @param servers what is in a server's block, by a name of the test's
 * @returns the address of each
 */
export async function startNginx<Name extends string>(
  servers: Readonly<Record<Name, string>>,
): Promise<Record<Name, string>> {
  const names = Object.keys(servers) as Name[];
  const ports = await freePorts(names.length);
  const blocks = names.map((name, i) => `server { listen 127.0.0.1:${ports[i]}; ${servers[name]} }`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  const config = join(directory, `${ports[0]}.conf`);
  writeFileSync(
    config,
    `daemon off;
    master_process off;
    pid ${config}.pid;
    error_log stderr notice;
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      ${blocks.join('\n')}
    }`,
  );
  // nginx does not end with its stdin, as a TestProcess should: a watcher sees to that.
  const run = 'exec 3<&0; { cat <&3; kill $$; } >/dev/null 2>&1 & exec "$0" "$@" 3<&-';
  const nginx = new TestProcess('sh', ['-c', run, NGINX, '-e', 'stderr', '-p', directory, '-c', config]);
  await nginx.printed(/using the "\w+" event method/); // it listens by then
  return Object.fromEntries(names.map((name, i) => [name, `http://127.0.0.1:${ports[i]}`])) as Record<
    Name,
    string
  >;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
