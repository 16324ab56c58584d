import { once } from 'node:events';
import { createServer } from 'node:http';

/** A server that takes what a continuous profiler sends. */
export async function startSink() {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    end() {
      server.close();
      server.closeAllConnections();
    },
  };
}
