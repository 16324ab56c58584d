import { Readable } from 'node:stream';

/** What an endpoint answers. */
export interface PprofAnswer {
  readonly status: number;
  /** Beside those of {@link COMMON_HEADERS}. */
  readonly headers: Readonly<Record<string, string>>;
  /** A stream is what comes while it is captured, as a trace does. */
  readonly body: string | Uint8Array | Readable;
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };

/**
 * On every answer, refusals included. `no-transform`: a compressed profile is one that scrapers cannot read, since
 * they do not decode a `Content-Encoding`.
 */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store, no-transform',
};

/** A text, with status 200. */
export function text(body: string | Uint8Array): PprofAnswer {
  return { status: 200, headers: TEXT, body };
}

/** A page, with a policy of its own: whatever the application's is, the page works and loads nothing. */
export function html(body: string, contentSecurityPolicy: string): PprofAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': contentSecurityPolicy },
    body,
  };
}

/** A binary profile that a browser saves under its name, as far as a header can hold that. */
export function attachment(name: string, body: Uint8Array | Readable): PprofAnswer {
  const filename = name.replace(/[^\x20-\x7e]|["\\]/gu, '_');
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
): PprofAnswer {
  return { status, headers: { ...TEXT, 'x-go-pprof': '1', ...headers }, body: `${oneLine(message)}\n` };
}

/**
 * What a controller returned, as an answer: bytes become a file named after the endpoint, objects JSON.
 *
 * @throws TypeError for a stream
 */
export function toAnswer(result: unknown, endpoint: string): PprofAnswer {
  if (result instanceof Uint8Array) return attachment(endpoint, result);
  if (result instanceof ArrayBuffer) return attachment(endpoint, new Uint8Array(result));
  if (isAnswer(result)) return { ...result, headers: { ...headersOf(result.body), ...result.headers } };
  if (isStream(result))
    throw new TypeError(`the endpoint ${endpoint} returned a stream: it takes text, bytes or an object`);
  return typeof result === 'object' ? json(result) : text(String(result ?? ''));
}

function headersOf(body: PprofAnswer['body']): Readonly<Record<string, string>> {
  return typeof body === 'string' ? TEXT : { 'content-type': 'application/octet-stream' };
}

function isStream(result: unknown): boolean {
  const { pipe, getStream } = Object(result) as { pipe?: unknown; getStream?: unknown };
  return typeof pipe === 'function' || typeof getStream === 'function';
}

function json(value: unknown): PprofAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  };
}

function isAnswer(result: unknown): result is PprofAnswer {
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
