import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const running: Server[] = [];

/**
 * A proxy with an application below a path, which it removes and names in `X-Forwarded-Prefix`. `afterEach(closeProxies)`
 * ends it.
 *
 * @returns scheme, address, port and path
 */
export async function startProxy(application: string, path: string): Promise<string> {
  const { hostname, port } = new URL(application);
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(`${path}/`)) return void outgoing.writeHead(404).end();
    const passed = request({
      hostname,
      port,
      agent: false,
      path: incoming.url!.slice(path.length),
      method: incoming.method,
      headers: { ...incoming.headers, connection: 'close', 'x-forwarded-prefix': path },
    });
    passed.once('response', (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once('error', () => outgoing.destroy());
    outgoing.once('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  running.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
}

/** For `afterEach` or `afterAll`: closes what {@link startProxy} started. */
export async function closeProxies(): Promise<void> {
  await Promise.all(
    running.splice(0).map((server) => {
      server.closeAllConnections();
      return once(server.close(), 'close');
    }),
  );
}
