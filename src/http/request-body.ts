import type { IncomingMessage } from 'node:http';
import { ProfilerCanceledError } from '../profiling/errors.js';
import { goException } from './go-errors.js';
import { rawRequest } from './reply.js';

/** In bytes; enough for about 60,000 addresses. */
const LARGEST = 2 ** 20;

/**
 * The body of a request. If a body parser of the application has read it, the parser's result if that is a string or bytes.
 *
 * @param request the adapter's or Node's request, or one passed to `PprofHandler`
 * @throws HttpException 413 if it is larger than 1 MiB
 * @throws ProfilerCanceledError if the client disconnects
 */
export async function bodyOf(request: object): Promise<Uint8Array> {
  const raw = rawRequest(request);
  const body = parsedBody(request) ?? parsedBody(raw) ?? (await read(raw));
  if (body.length > LARGEST) throw goException('bodyTooLarge');
  return body;
}

/** Fastify's parsers set `body` on Fastify's request; Express's parsers, and middleware, set it on Node's. */
function parsedBody(request: object): Uint8Array | undefined {
  const { body } = request as { body?: unknown };
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : undefined;
}

/** A body that is too large is still read to its end, because the connection may be reused; only the first MiB or so is kept. */
async function read(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      if (length <= LARGEST) chunks.push(chunk);
      length += chunk.length;
    }
  } catch (cause) {
    throw new ProfilerCanceledError(cause);
  }
  return Buffer.concat(chunks);
}
