import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';

/** A client of Node's inspector at a ws: address, such as Chrome's DevTools. Node 20 has no WebSocket of its own. */
export class DevTools {
  private constructor(private readonly socket: Socket) {}

  static async connect(address: string): Promise<DevTools> {
    const outgoing = request(address.replace('ws:', 'http:'), {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
      },
    });
    outgoing.end();
    const [, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Socket];
    return new DevTools(socket);
  }

  /** Sends a command and waits for its result. */
  async post(method: string, params?: object): Promise<void> {
    this.socket.write(frameOf(JSON.stringify({ id: 1, method, params })));
    const text = await this.receive();
    const { result } = JSON.parse(text) as { result?: object };
    if (!result) throw new Error(`${method}: ${text}`);
  }

  close(): void {
    this.socket.destroy();
  }

  private async receive(): Promise<string> {
    let bytes = Buffer.alloc(0);
    for (;;) {
      const [chunk] = (await once(this.socket, 'data')) as [Buffer];
      bytes = Buffer.concat([bytes, chunk]);
      const payload = payloadOf(bytes);
      if (payload) return payload.toString();
    }
  }
}

/** The text in a frame of a server, once all of it is there. */
function payloadOf(bytes: Buffer): Buffer | undefined {
  const short = (bytes[1] ?? 0) & 0x7f;
  const begin = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < begin) return undefined;
  const length =
    short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  return bytes.length < begin + length ? undefined : bytes.subarray(begin, begin + length);
}

/** A text of less than 126 bytes as a client sends it: masked, here by zeros. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  if (payload.length > 125) throw new Error(`too long: ${text}`);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
