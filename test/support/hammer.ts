import { connect } from 'node:net';

const CONNECTIONS = 10;
/** Requests that are sent before the answers to the first of them have come. */
const AHEAD = 50;

/**
 * Makes requests as fast as a service takes them, many on each of a few connections.
 *
 * @throws Error where one is not answered by 200
 */
export async function hammer(url: string, path: string, count: number): Promise<void> {
  const counts = Array.from(
    { length: CONNECTIONS },
    (_, i) => Math.floor(count / CONNECTIONS) + (i < count % CONNECTIONS ? 1 : 0),
  );
  await Promise.all(counts.map((each) => oneConnection(new URL(url), path, each)));
}

function oneConnection({ hostname, port }: URL, path: string, count: number): Promise<void> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname).setEncoding('latin1');
    let sent = 0;
    let answered = 0;
    let rest = '';
    const send = (): void => {
      const more = Math.min(count - sent, AHEAD - (sent - answered));
      if (more <= 0) return;
      sent += more;
      socket.write(request.repeat(more));
    };
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\r\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (/HTTP\/1\.1 200 /.test(line)) answered++;
        else if (/HTTP\/1\.1 /.test(line)) socket.destroy(new Error(line));
      }
      if (answered === count) socket.end();
      else send();
    });
    socket.once('error', reject);
    socket.once('close', () =>
      answered === count ? resolve() : reject(new Error(`${answered} answers to ${count} requests`)),
    );
    send();
  });
}
