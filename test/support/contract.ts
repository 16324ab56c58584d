import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import { badValue, GO_ERRORS, incompatible, tooLong } from '../../src/http/go-errors.js';
import { type Answer, request, type RequestOptions, type Target } from './http.js';

/** Sends a request and reads the response. */
export type Send = (target: Target, options: RequestOptions) => Promise<Answer>;

/** One request and its expected response: a line of the HTTP contract. */
export interface ContractRow {
  /** What the product promises. */
  readonly title: string;
  /** After the base address, as it is sent: `/heap?seconds=0`; empty for the base without a slash. */
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  readonly type?: string;
  /** `null`: no such header. */
  readonly disposition?: string | null;
  readonly text?: string | RegExp;
  /** An empty text: no such header. */
  readonly header?: Readonly<Record<string, string | RegExp>>;
}

type Details = Partial<ContractRow>;

const TEXT = 'text/plain; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
const BINARY = 'application/octet-stream';
export const HEAD = { method: 'HEAD', text: '' };

/** The texts of errors, as the product has them. */
export const TEXTS = {
  unknown: GO_ERRORS.unknownProfile[1],
  badEscape: GO_ERRORS.badEscape[1],
  badSeconds: GO_ERRORS.deltaSeconds[1],
  incompatible: GO_ERRORS.deltaAndDebug[1],
  writeTimeout: GO_ERRORS.writeTimeout[1],
  notAllowed: GO_ERRORS.methodNotAllowed[1],
  bodyTooLarge: GO_ERRORS.bodyTooLarge[1],
  badHz: badValue('hz', 'an integer from 1 to 1000').message,
  badSampler: badValue('sampler', 'pprof or inspector').message,
  badPast: badValue('past', 'a positive integer').message,
  notWithPast: (parameter: string) => incompatible(parameter, 'past').message,
  badFormat: (allowed: string) => badValue('format', allowed).message,
  tooLong: (maxSeconds: number) => tooLong(maxSeconds).message,
};

/** @param promise what a response of that status says about the product */
export function row(path: string, status: number, promise: string, details: Details = {}): ContractRow {
  const { method = 'GET' } = details;
  const shown = path.length > 60 ? `${path.slice(0, 57)}...` : path || '(no slash)';
  return { title: `${method} ${shown} returns ${status}: ${promise}`, path, status, ...details };
}

/** A download of that name. */
export const file = (path: string, name: string, promise: string, details: Details = {}): ContractRow =>
  row(path, 200, promise, { type: BINARY, disposition: `attachment; filename="${name}"`, ...details });

export const page = (path: string, promise: string, details: Details = {}): ContractRow =>
  row(path, 200, promise, {
    type: HTML,
    disposition: null,
    text: /Types of profiles available:/,
    ...details,
  });

export const text = (path: string, promise: string, details: Details = {}): ContractRow =>
  row(path, 200, promise, { type: TEXT, disposition: null, ...details });

/** An error of one line. */
export const refused = (path: string, status: number, message: string, details: Details = {}): ContractRow =>
  row(path, status, message, { type: TEXT, disposition: null, text: `${message}\n`, ...details });

export const notAllowed = (path: string, method: string, details: Details = {}): ContractRow =>
  refused(path, 405, TEXTS.notAllowed, { method, header: { allow: 'GET, HEAD' }, ...details });

/** To the slash, relative, with the query. */
export const redirect = (query: string, details: Details = {}): ContractRow =>
  row(query, 307, 'the redirect is relative and keeps the query', {
    type: TEXT,
    disposition: null,
    header: { location: new RegExp(`^[\\w.~-]+/${query.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) },
    ...details,
  });

const GZIP = { headers: { 'accept-encoding': 'gzip, br' } };

/** One row of each kind: enough to see that a path, an adapter or an application changes responses. */
export const SHORT_CONTRACT: readonly ContractRow[] = [
  page('/', 'the index'),
  page('/', 'headers only', HEAD),
  redirect('?debug=1'),
  text('/cmdline', 'the command line', { text: /^[^\0\n]+(\0[^\0]*)*[^\0\n]$/ }),
  file('/profile?seconds=30', 'profile', 'HEAD captures nothing', HEAD),
  file('/heap', 'heap', 'a profile'),
  file('/heap', 'heap', 'no compression', GZIP),
  page('/', 'no compression', GZIP),
  text('/cmdline', 'no compression', GZIP),
  refused('/nope', 404, TEXTS.unknown, GZIP),
  file('/h%65ap', 'heap', 'names are percent-decoded'),
  file('/heap', 'heap', 'the body of a GET is ignored', {
    body: '{"a":',
    headers: { 'content-type': 'application/json' },
  }),
  refused('/profile?seconds=301', 400, TEXTS.tooLong(300)),
  refused('/heap?seconds=0', 400, TEXTS.badSeconds),
  refused('/heap?seconds=0', 400, TEXTS.badSeconds, HEAD),
  text('/heap?debug=1', 'text', { text: /^heap profile: / }),
  text('/symbol?0x1', 'unknown addresses have no line', { text: 'num_symbols: 1\n' }),
  text('/symbol', 'the body is read whatever it is said to be', {
    method: 'POST',
    body: '0x1+',
    headers: { 'content-type': 'application/json' },
    text: 'num_symbols: 1\n',
  }),
  file('/trace?seconds=0.01', 'trace', 'an execution trace', { text: /^go 1\.19 trace\0\0\0/ }),
  refused('/trace?format=x', 400, TEXTS.badFormat('go or json')),
  refused('/nope', 404, TEXTS.unknown),
  refused('/heap/', 404, TEXTS.unknown),
  refused('/%zz', 400, TEXTS.badEscape),
  notAllowed('/heap', 'POST', { body: '{"a":', headers: { 'content-type': 'application/json' } }),
  notAllowed('/nope', 'PUT'),
  notAllowed('/', 'OPTIONS'),
];

/**
 * Makes a row's request and checks the response.
 *
 * @param base the address of the index, without its slash
 * @throws Error that names the row and what differs
 */
export async function checkRow(base: string, row: ContractRow, send: Send = request): Promise<void> {
  const { path, method, headers, body, status } = row;
  try {
    const answer = await send({ base, path }, { method, headers, body });
    is('status', answer.status, status);
    is('nosniff', answer.headers['x-content-type-options'], 'nosniff');
    is('cache-control', answer.headers['cache-control'], 'no-store, no-transform');
    for (const never of ['content-encoding', 'etag', 'x-evil']) is(never, answer.headers[never], undefined);
    if (row.type) is('content-type', answer.headers['content-type'], row.type);
    if (row.disposition !== undefined)
      is('content-disposition', answer.headers['content-disposition'] ?? null, row.disposition);
    if (row.type === BINARY && row.text === undefined)
      assert.ok(gunzipSync(answer.body).length > 0, 'an empty profile');
    if (row.text !== undefined) matches('body', answer.text, row.text);
    for (const [name, value] of Object.entries(row.header ?? {}))
      matches(name, String(answer.headers[name] ?? ''), value);
    if (status >= 300 && status < 400) {
      const arrival = new URL(String(answer.headers.location), base).href;
      is('target of the redirect', arrival.split('?', 1)[0], `${base}/`);
    }
    if (status < 300) is('x-go-pprof', answer.headers['x-go-pprof'], undefined);
    if (status >= 400) is('x-go-pprof', answer.headers['x-go-pprof'], '1');
  } catch (error) {
    throw new Error(`${row.title}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** What each row says that does not hold. */
export async function brokenRows(base: string, rows: readonly ContractRow[], send?: Send): Promise<string[]> {
  const errors: string[] = [];
  for (const row of rows) {
    await checkRow(base, row, send).catch((error: unknown) => errors.push(String(error).split('\n')[0]!));
  }
  return errors;
}

function is(what: string, actual: unknown, expected: unknown): void {
  assert.equal(actual, expected, `${what} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

function matches(what: string, actual: string, expected: string | RegExp): void {
  if (typeof expected === 'string') is(what, actual, expected);
  else assert.match(actual, expected, `${what} is ${JSON.stringify(actual)}, not ${expected}`);
}
