import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished, Readable } from 'node:stream';
import { COMMON_HEADERS, type PprofAnswer } from './answer.js';

/** What is used of Fastify's request and reply; Express's are Node's own. */
interface Wrapping<T> {
  readonly raw?: T;
}
interface FastifyReply extends Wrapping<ServerResponse> {
  hijack?(): void;
  getHeaders?(): Record<string, number | string | string[] | undefined>;
}

/** Node's own request behind an adapter's. */
export function rawRequest(request: object): IncomingMessage {
  return (request as Wrapping<IncomingMessage>).raw ?? (request as IncomingMessage);
}

/** Node's own response behind an adapter's. */
export function rawResponse(response: object): ServerResponse {
  return (response as Wrapping<ServerResponse>).raw ?? (response as ServerResponse);
}

/**
 * Takes a response away from the adapter, so that nothing between it and the socket (serializers, compression, hooks)
 * can change an answer. Headers that others have set before stay.
 */
export function takeOver(response: object): ServerResponse {
  const raw = rawResponse(response);
  if (raw.headersSent) return raw;
  const reply = response as FastifyReply;
  if (reply.raw) {
    reply.hijack?.();
    // Fastify keeps headers (CORS, helmet, a guard's WWW-Authenticate) to itself until it sends.
    for (const [name, value] of Object.entries(reply.getHeaders?.() ?? {})) {
      if (value !== undefined) raw.setHeader(name, value);
    }
  }
  setHeaders(raw, COMMON_HEADERS);
  return raw;
}

/** Writes an answer and ends the response; nothing happens if the client is gone. */
export function writeAnswer(response: ServerResponse, { status, headers, body }: PprofAnswer): void {
  if (response.headersSent || response.destroyed) {
    if (body instanceof Readable) body.destroy();
    return;
  }
  response.removeHeader('content-disposition'); // of an answer that could not be written
  response.statusCode = status;
  setHeaders(response, headers);
  if (body instanceof Readable) {
    response.flushHeaders();
    send(body, response);
    return;
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (response.req.method !== 'HEAD') response.setHeader('content-length', bytes.length);
  response.end(bytes);
}

/** Not `pipeline`: it listens for `close` seven times, and Node warns of eleven, to which middleware adds its own. */
function send(body: Readable, response: ServerResponse): void {
  finished(body, (error) => {
    if (error) response.destroy();
  });
  response.once('close', () => body.destroy()); // by which who captures it is told that the client is gone
  body.pipe(response);
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
