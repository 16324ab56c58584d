import { goException } from './errors.js';
import { rawRequest } from './response.js';

/** A body of addresses, which are some 16 letters each. */
const LIMIT = 1024 * 1024;

/**
 * The body of a request that no parser has read, or what one has made of it.
 *
 * @throws HttpException 413 beyond 1 MiB
 */
export async function bodyOf(request: object): Promise<Uint8Array> {
  const { body } = request as { body?: unknown };
  if (typeof body === 'string') return checked(Buffer.from(body));
  if (body instanceof Uint8Array) return checked(body);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of rawRequest(request).iterator({
    destroyOnReturn: false,
  }) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > LIMIT) throw goException('bodyTooLarge');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function checked(body: Uint8Array): Uint8Array {
  if (body.length > LIMIT) throw goException('bodyTooLarge');
  return body;
}
