import { type IncomingHttpHeaders, request as nodeRequest } from 'node:http';

export interface RequestOptions {
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
  /** Aborted: the client goes away. */
  signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

/** A base address, and a path that is appended to it. */
export interface Target {
  base: string;
  path: string;
}

/**
 * One request on a connection of its own. The path is sent exactly as given: nothing is escaped, resolved or
 * collapsed, and redirects are not followed.
 */
export function request(
  target: string | Target,
  { method = 'GET', headers, body, signal }: RequestOptions = {},
): Promise<Answer> {
  const address = typeof target === 'string' ? target : target.base + target.path;
  const [, origin, path] = /^(https?:\/\/[^/?]+)(.*)$/s.exec(address)!;
  // Node frames no body of a GET by itself.
  const framing = body === undefined ? undefined : { 'content-length': String(Buffer.byteLength(body)) };
  const { hostname, port } = new URL(origin!);
  return new Promise((resolve, reject) => {
    const outgoing = nodeRequest(
      {
        host: hostname,
        port,
        path: path || '/',
        method,
        headers: { ...framing, ...headers },
        signal,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const bytes = Buffer.concat(chunks);
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: bytes, text: bytes.toString() });
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
