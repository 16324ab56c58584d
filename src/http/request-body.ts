import type { IncomingMessage } from 'node:http';
import { ProfilerCanceledError } from '../profiling/errors.js';
import { goException } from './go-errors.js';
import { rawRequest } from './reply.js';

/** In bytes: some 60,000 addresses. */
const LARGEST = 2 ** 20;

/**
 * The body of a request. If a parser of the application has read it: what that made of it, where this is text or bytes.
 *
 * @param request an adapter's or Node's, or one in code
 * @throws HttpException 413 for more than 1 MiB
 * @throws ProfilerCanceledError if the client goes away
 */
export async function bodyOf(request: object): Promise<Uint8Array> {
  const raw = rawRequest(request);
  const body = parsedBody(request) ?? parsedBody(raw) ?? (await read(raw));
  if (body.length > LARGEST) throw goException('bodyTooLarge');
  return body;
}

/** Fastify's parsers put it into its own request; Express's, and middleware with both, into Node's. */
function parsedBody(request: object): Uint8Array | undefined {
  const { body } = request as { body?: unknown };
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : undefined;
}

/** Too large a body is read to its end, for the next request on its connection; a bit more than the limit is kept. */
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
