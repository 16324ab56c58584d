import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NobodyWaitsError } from '../profiling/capture.js';

/** What an endpoint replies. */
export interface PprofReply {
  readonly status: number;
  /** Beside those of {@link COMMON_HEADERS}. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** A reply whose body is written while it is being made. */
export interface StreamedReply extends Omit<PprofReply, 'body'> {
  readonly body: AsyncIterable<Uint8Array>;
}

const NO_BYTES = new Uint8Array();

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/**
 * On every reply, refusals included. `no-transform`: a compressed profile is one that scrapers cannot read, since
 * they do not decode a `Content-Encoding`.
 */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store, no-transform',
};

/** A text, with status 200. */
export function text(body: string | Uint8Array): PprofReply {
  return { status: 200, headers: TEXT, body };
}

/** A page, with a policy of its own: whatever the application's is, the page works and loads nothing. */
export function html(body: PprofReply['body'], contentSecurityPolicy: string): PprofReply {
  return {
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': contentSecurityPolicy },
    body,
  };
}

/** A binary profile that a browser saves under its name. */
export function attachment(filename: string, body: Uint8Array = NO_BYTES): PprofReply {
  return {
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${filename}"`,
    },
    body,
  };
}

/** Go's `serveError`: a line of text and the header by which `go tool pprof` knows that it may show it. */
export function goError(
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): PprofReply {
  return { status, headers: { ...TEXT, 'x-go-pprof': '1', ...headers }, body: `${oneLine(message)}\n` };
}

/**
 * What a controller returned, as a reply: bytes become a file named after the endpoint, objects JSON.
 *
 * @throws TypeError for a stream
 */
export function toReply(result: unknown, endpoint: string): PprofReply | StreamedReply {
  if (result instanceof Uint8Array) return attachment(endpoint, result);
  if (result instanceof ArrayBuffer) return attachment(endpoint, new Uint8Array(result));
  if (isReply(result)) return { ...result, headers: { ...headersOf(result.body), ...result.headers } };
  if (isStream(result))
    throw new TypeError(`endpoint ${endpoint} returned a stream: expected text, bytes or an object`);
  return typeof result === 'object' ? json(result) : text(String(result ?? ''));
}

function headersOf(body: unknown): Readonly<Record<string, string>> {
  return typeof body === 'string' ? TEXT : { 'content-type': 'application/octet-stream' };
}

function isStream(result: unknown): boolean {
  const { pipe, getStream } = Object(result) as { pipe?: unknown; getStream?: unknown };
  return typeof pipe === 'function' || typeof getStream === 'function';
}

function json(value: unknown): PprofReply {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  };
}

function isReply(result: unknown): result is PprofReply {
  return (
    typeof result === 'object' &&
    result !== null &&
    'status' in result &&
    'headers' in result &&
    'body' in result
  );
}

function oneLine(message: string): string {
  return String(message)
    .replace(/[\r\n\0]+/g, ' ')
    .trim();
}

/** What is used of Fastify's reply; Express's is Node's own. */
interface FastifyReply {
  readonly raw?: ServerResponse;
  hijack?(): void;
  getHeaders?(): Record<string, number | string | string[] | undefined>;
}

/** Node's own request behind an adapter's. */
export function rawRequest(request: object): IncomingMessage {
  return (request as { raw?: IncomingMessage }).raw ?? (request as IncomingMessage);
}

/**
 * Takes a response away from the adapter, so that nothing between it and the socket (serializers, compression, hooks)
 * can change a reply. Headers that others have set before stay.
 */
export function takeOver(response: object): ServerResponse {
  const reply = response as FastifyReply;
  const raw = reply.raw ?? (response as ServerResponse);
  if (isLost(raw)) return raw;
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

/** Resolves when a response is over, also one that waits for others on its connection, which Node does not tell. */
export function whenClosed(response: ServerResponse): Promise<void> {
  const emitters = [response, response.req?.socket];
  return new Promise((resolve) => {
    const end = (): void => {
      for (const emitter of emitters) emitter?.off('close', end);
      resolve();
    };
    for (const emitter of emitters) emitter?.once('close', end);
  });
}

/** Responses that {@link writeReply} has written. */
const replied = new WeakSet<ServerResponse>();

/** Those that were asked for a signal. */
const signals = new WeakMap<ServerResponse, AbortController>();

const CLOSED = 'the connection was closed';

/**
 * A signal that is aborted when a response cannot be written any more: it is closed, or somebody else, such as a timeout of the
 * application, has begun to write it, for which they call `writeHead`.
 */
export function whenLost(response: ServerResponse): AbortSignal {
  const lost = new AbortController();
  signals.set(response, lost);
  const lose = (why: string): void => {
    if (!replied.has(response)) abandon(response, why);
  };
  void whenClosed(response).then(() => lose(CLOSED));
  const { writeHead } = response;
  response.writeHead = (...head: unknown[]) => {
    lose('something else sent a response');
    return writeHead.apply(response, head as never);
  };
  return lost.signal;
}

/** Aborts the signal of a response: nobody waits for what the endpoint would reply. */
export function abandon(response: ServerResponse, why: string): void {
  signals.get(response)?.abort(new NobodyWaitsError(why));
}

/** Writes a reply and ends the response; nothing happens if that is over, or somebody else's. */
export function writeReply(response: ServerResponse, reply: PprofReply | StreamedReply): void {
  if (isLost(response)) return;
  const { status, headers, body } = reply;
  response.removeHeader('content-disposition'); // of a reply that could not be written
  response.statusCode = status;
  setHeaders(response, headers);
  replied.add(response);
  if (isStreamed(body)) {
    // The application may shut down meanwhile, and its server waits for connections that are kept.
    if (response.req.httpVersionMajor === 1) response.setHeader('connection', 'close');
    return void writePieces(response, body);
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const isHead = response.req.method === 'HEAD';
  if (!isHead) response.setHeader('content-length', bytes.length);
  if (isHead || bytes.length <= CHUNK) response.end(bytes);
  else writeInTurns(response, bytes);
}

/** Bytes that are written at once: while the system takes them, which is 2 to 3 ms for a MiB, the event loop is held. */
const CHUNK = 256 * 1024;

/** The first piece at once: while nothing is sent, what cannot be written, as a status that there is not, is for the caller. */
function writeInTurns(response: ServerResponse, bytes: Uint8Array): void {
  const taken = response.write(bytes.subarray(0, CHUNK));
  void writePieces(response, inTurns(bytes.subarray(CHUNK)), taken);
}

async function* inTurns(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += CHUNK) {
    await nextTurn();
    yield bytes.subarray(at, at + CHUNK);
  }
}

/** Writes pieces as fast as the client takes them. It ends with the response, or destroys it if there is an error. */
async function writePieces(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
  taken = true,
): Promise<void> {
  const closed = new AbortController();
  let isWritten = false; // or somebody else has ended it
  const close = (): void => {
    closed.abort();
    if (!isWritten || !response.writableFinished) abandon(response, CLOSED);
  };
  void whenClosed(response).then(close);
  try {
    // Sockets that are none may return nothing, and drain nothing.
    if (taken === false) await once(response, 'drain', closed);
    for await (const piece of pieces) {
      if (isOver(response)) return;
      if (response.write(piece) === false) await once(response, 'drain', closed);
    }
    isWritten = true;
    response.end();
  } catch {
    response.destroy();
  }
}

function isStreamed(body: PprofReply['body'] | StreamedReply['body']): body is StreamedReply['body'] {
  return Symbol.asyncIterator in Object(body);
}

/** The same with all of its body. */
export async function complete(reply: PprofReply | StreamedReply): Promise<PprofReply> {
  const { body } = reply;
  if (!isStreamed(body)) return { ...reply, body };
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return { ...reply, body: Buffer.concat(pieces) };
}

/** Has the connection end with this reply. */
export function endConnection(response: ServerResponse): void {
  if (isLost(response)) return;
  const { stream } = response as Http2Response;
  if (stream)
    stream.session?.close(); // HTTP/2 forbids the header
  else response.setHeader('connection', 'close');
}

/** What is used of HTTP/2's response. */
interface Http2Response extends ServerResponse {
  readonly stream?: { readonly destroyed: boolean; readonly session?: { close(): void } };
}

/** HTTP/2's throws on every use when its stream is closed. */
function isLost(response: Http2Response): boolean {
  return response.headersSent || isOver(response);
}

function isOver({ writableEnded, destroyed, stream }: Http2Response): boolean {
  return writableEnded || destroyed || stream?.destroyed === true;
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
