import { connect } from 'node:net';

/**
 * Asks for the same page again and again by keep-alive connections, each of which asks as soon as it has its answer.
 * It parses nothing, so that the server's process is the busy one: answers are as long as the first one.
 */
export async function startLoad(url, connections) {
  const { hostname, port, pathname } = new URL(url);
  const request = `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`;
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port, hostname)));
  const length = await lengthOfAnswer(sockets[0], request);
  return {
    async run(requests) {
      let left = requests;
      await Promise.all(sockets.map((socket) => asked(socket, () => left-- > 0)));
    },
    end: () => sockets.forEach((socket) => socket.destroy()),
  };

  function asked(socket, more) {
    return new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(new Error('the server has closed a connection'));
      let missing = 0;
      const next = () => {
        if (!more()) return done();
        missing += length;
        socket.write(request);
      };
      const onData = (chunk) => {
        missing -= chunk.length;
        if (missing === 0) next();
      };
      const done = () => {
        socket.off('data', onData).off('close', reject);
        resolve();
      };
      socket.on('data', onData).on('close', reject);
      next();
    });
  }
}

function open(port, host) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true });
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });
}

/** Of an answer with a Content-Length. */
function lengthOfAnswer(socket, request) {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk) => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n') + 4;
      const [, body] = /content-length: (\d+)/i.exec(text) ?? [];
      if (!/^HTTP\/1.1 200/.test(text)) return reject(new Error(text));
      if (head > 3 && text.length === head + Number(body)) {
        socket.off('data', onData);
        resolve(text.length);
      }
    };
    socket.on('data', onData).write(request);
  });
}
