import type { IncomingMessage } from 'node:http';
import { ProfilerCanceledError } from '../profiling/errors.js';
import { goException } from './errors.js';
import { rawRequest } from './response.js';

/** A body of addresses, which are some 16 letters each. */
const LIMIT = 1024 * 1024;

/**
 * The body of a request that no parser has read, or what one has made of it.
 *
 * @throws HttpException 413 beyond 1 MiB
 * @throws ProfilerCanceledError if the client goes away
 */
export async function bodyOf(request: object): Promise<Uint8Array> {
  const raw = rawRequest(request);
  const body = parsedBody(request) ?? parsedBody(raw) ?? (await read(raw));
  if (body.length <= LIMIT) return body;
  raw.resume(); // the rest is between us and the next request on this connection
  throw goException('bodyTooLarge');
}

/** Express's parsers put it into Node's own request, and so does middleware with Fastify. */
function parsedBody(request: object): Uint8Array | undefined {
  const { body } = request as { body?: unknown };
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array ? body : undefined;
}

/** All of it, or a bit more than is taken. */
async function read(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      if ((length += chunk.length) > LIMIT) break;
    }
  } catch (cause) {
    throw new ProfilerCanceledError(cause);
  }
  return Buffer.concat(chunks);
}
