import assert from 'node:assert/strict';
import { request } from './http.js';

/** One request, and what it is answered: a line of the HTTP contract. */
export interface ContractRow {
  /** What the product promises. */
  title: string;
  /** After the base address, as it is sent: `/heap?seconds=0`; empty for the base without a slash. */
  path: string;
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  status: number;
  type?: string;
  /** `null`: there is none. */
  disposition?: string | null;
  text?: string | RegExp | null;
  /** An empty text: there is none. */
  header?: Readonly<Record<string, string | RegExp>>;
}

type Details = Partial<ContractRow>;

const TEXT = 'text/plain; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
const BINARY = 'application/octet-stream';
const HEAD = { method: 'HEAD', text: '' };

const UNKNOWN = 'Unknown profile';
const BAD_ESCAPE = 'invalid URL escape';
const BAD_SECONDS = 'invalid value for "seconds" - must be a positive integer';
const BAD_HZ = 'invalid value for "hz" - must be an integer from 1 to 1000';
const BAD_TRACE_FORMAT = 'invalid value for "format" - must be go or json';
/** Its header. */
const GO_TRACE = /^go 1\.\d+ trace\0/;
const INCOMPATIBLE = 'seconds and debug params are incompatible';
const TOO_LONG = 'seconds exceeds the maximum of 300';
const NO_SYMBOLS = 'num_symbols: 1\n';
const WORD_TOO_LONG = `${NO_SYMBOLS}reading request: bufio: buffer full\n`;

/** A row's title is its request and what is to be said of it. */
function row(path: string, status: number, about: string, details: Details): ContractRow {
  const { method = 'GET' } = details;
  const shown = path.length > 60 ? `${path.slice(0, 57)}...` : path;
  return { title: `${method} ${JSON.stringify(shown)} is ${status}: ${about}`, path, status, ...details };
}

const file = (path: string, name: string, about: string, details: Details = {}): ContractRow =>
  row(path, 200, about, { type: BINARY, disposition: `attachment; filename="${name}"`, ...details });

const heap = (query: string, about: string, details?: Details): ContractRow =>
  file(`/heap${query}`, 'heap', about, details);

/** A profile's checks, without the capture. */
const profileHead = (query: string, about: string): ContractRow =>
  file(`/profile${query}`, 'profile', about, HEAD);

const allocs = (query: string, about: string, details?: Details): ContractRow =>
  file(`/allocs${query}`, 'allocs', about, details);

/** A window's checks, without the window. */
const deltaHead = (name: string, query: string, about: string): ContractRow =>
  file(`/${name}${query}`, `${name}-delta`, about, HEAD);

/** Go's text of the heap, in parts: the totals, the records with their stacks, what else is known of memory. */
const HEAP_TEXT = new RegExp(
  [
    /^heap profile: \d+: \d+ \[\d+: \d+\] @ heap\/\d+\n/,
    /(\d+: \d+ \[\d+: \d+\] @( 0x[0-9a-f]+)+\n(#\t0x[0-9a-f]+(\t+[^\n]+)?\n)+\n)+/,
    /\n# runtime\.MemStats\n# Alloc = \d+\n(# [^\n]+ = [^\n]+\n)+# MaxRSS = \d+\n$/,
  ]
    .map(({ source }) => source)
    .join(''),
);

const heapText = (path: string, about: string, details: Details = {}): ContractRow =>
  row(path, 200, about, { type: TEXT, disposition: null, text: HEAP_TEXT, ...details });

/** Comments of a stack, and the empty line after it. */
const STACK = String.raw`(#\t0x[0-9a-f]+(\t+[^\n]+)?\n)*\n`;
const COUNTS = (name: string): RegExp =>
  new RegExp(
    String.raw`^${name} profile: total \d+\n(\d+ @( 0x[0-9a-f]+)+\n(# labels: \{.+\}\n)?${STACK})*$`,
  );
const CONTENTION = String.raw`cycles/second=1000000000\n(sampling period=1\n)?(\d+ \d+ @( 0x[0-9a-f]+)*\n${STACK})*$`;
/** Go's dump of goroutines: blocks with an empty line between them. */
const DUMP =
  /^(goroutine \d+ \[[^\]\n]+\]( \{[^\n]+\})?:\n([^\t\n][^\n]*\n\t[^\n]+:\d+\n)*(\n(?=goroutine)|$))+$/;

/** The text of each profile that is not one of the heap, and what `debug=2` shows of it. */
const TEXTS: Readonly<Record<string, { readonly text: RegExp; readonly dump?: RegExp }>> = {
  block: { text: new RegExp(`^--- contention:\n${CONTENTION}`) },
  goroutine: { text: COUNTS('goroutine'), dump: DUMP },
  goroutineleak: { text: COUNTS('goroutineleak'), dump: DUMP },
  mutex: { text: new RegExp(`^--- mutex:\n${CONTENTION}`) },
  threadcreate: { text: COUNTS('threadcreate') },
};

const traceHead = (query: string, about: string): ContractRow => file(`/trace${query}`, 'trace', about, HEAD);

const symbols = (path: string, about: string, details: Details = {}): ContractRow =>
  row(path, 200, about, { type: TEXT, disposition: null, text: NO_SYMBOLS, ...details });

const refused = (path: string, status: number, message: string, details: Details = {}): ContractRow =>
  row(path, status, message, { type: TEXT, disposition: null, text: `${message}\n`, ...details });

const notAllowed = (path: string, method: string, details: Details = {}): ContractRow =>
  refused(path, 405, 'Method Not Allowed', { method, header: { allow: 'GET, HEAD' }, ...details });

const redirect = (query: string, details: Details = {}): ContractRow =>
  row(query, 307, 'to the slash, relative, with the query', {
    type: TEXT,
    disposition: null,
    // A header cannot hold every letter, but it holds all of a query that has come by HTTP.
    header: { location: new RegExp(`^[\\w.~-]+/${query.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`) },
    ...details,
  });

const NAMES_OF_NOTHING = [
  'nope',
  'nope?seconds=1',
  'nope?debug=1&gc=1',
  'heap/',
  'cmdline/',
  'profile/',
  'allocs/',
  'symbol/',
  'SYMBOL',
  'symbol;x',
  '/',
  '/heap',
  'heap//',
  'HEAP',
  'Profile',
  'heap%2F',
  'heap%20',
  'heap;x=1',
  'heap\\',
  'a%2Fb',
  'a/b/c',
  'h%2565ap', // decoded once
  '.',
  '..',
  '../x',
  '%2e%2e/heap',
  './heap',
  '%00',
  'heap%00',
  '%0d%0aX-Evil:%201',
  'heap%0aX-Evil:%201',
  '%ff%fe',
  'h%C3%A9ap',
  '<script>scripty<script>',
  '%3Cscript%3Ealert(1)%3C/script%3E',
  '"onload=x',
  '*',
  '_',
  ':name',
  'constructor',
  '__proto__',
  'toString',
  'index.html',
  'a'.repeat(4000),
];

const BODIES: Readonly<Record<string, Details>> = {
  'no content type': { body: 'seconds=1' },
  'malformed JSON': { body: '{"a":', headers: { 'content-type': 'application/json' } },
  'a form': {
    body: 'seconds=1&debug=1',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  'a broken multipart': { body: 'x', headers: { 'content-type': 'multipart/form-data' } },
  'an unknown content type': { body: 'x', headers: { 'content-type': 'application/x-nobody-knows' } },
  'a content type that is none': { body: 'x', headers: { 'content-type': ';;' } },
  'an unknown charset': {
    body: '{}',
    headers: { 'content-type': 'application/json; charset=klingon' },
  },
  'an unknown encoding': {
    body: 'x',
    headers: { 'content-type': 'application/json', 'content-encoding': 'klingon' },
  },
  'more than a parser takes': {
    body: `"${'x'.repeat(200_000)}"`,
    headers: { 'content-type': 'application/json', connection: 'keep-alive' },
  },
};

/** Every answer that does not depend on options, on a second request, or on a client that goes away. */
export const CONTRACT: readonly ContractRow[] = [
  // The index
  row('/', 200, 'the index', { type: HTML, disposition: null, text: /Types of profiles available:/ }),
  row('/?debug=1', 200, 'parameters change nothing', { type: HTML, text: /Types of profiles available:/ }),
  row('/?/heap', 200, 'a query is no name', { type: HTML, disposition: null }),
  row('/', 200, 'headers', { type: HTML, ...HEAD }),
  redirect('', { text: 'Temporary Redirect\n' }),
  redirect('?debug=1&x=%20&y=a/b%zz'),
  redirect('?x=//evil.example'),
  redirect('', HEAD),

  // cmdline
  row('/cmdline', 200, 'parts joined by NUL, none at the end', {
    type: TEXT,
    disposition: null,
    text: /^[^\0\n]+(\0[^\0]*)*[^\0\n]$/,
  }),
  row('/cmdline?seconds=abc&debug=9&gc=1', 200, 'parameters change nothing', {
    type: TEXT,
    disposition: null,
  }),
  row('/cmdline', 200, 'headers', { type: TEXT, ...HEAD }),

  // profile
  file('/profile?seconds=1', 'profile', 'a capture'),
  profileHead('?seconds=30', 'HEAD captures nothing'),
  ...['', '?', '?seconds', '?seconds='].map((query) => profileHead(query, 'seconds absent: 30')),
  ...['abc', '1.5', '0', '-3', '1_0', '0x1', '1e1', 'NaN', '-99999999999999999999'].map((seconds) =>
    profileHead(`?seconds=${seconds}`, 'malformed seconds: 30'),
  ),
  profileHead('?seconds=99999999999999999999', 'beyond int64 is malformed: 30'),
  profileHead('?seconds=9223372036854775808', 'beyond int64 by one: 30'),
  profileHead('?seconds=%zz', 'a broken escape drops the pair'),
  profileHead('?seconds=+9999', 'plus is a space: malformed, so 30'),
  profileHead('?seconds=%209999', 'a space is malformed, so 30'),
  profileHead('?seconds=9999;x=1', 'a semicolon drops the pair'),
  profileHead('?SECONDS=9999', 'names are case-sensitive'),
  profileHead('?seconds=1&seconds=9999', 'the first value wins'),
  profileHead('?seconds=300', 'the maximum'),
  profileHead('?seconds=30&debug=1&gc=1', 'debug and gc are ignored'),
  ...['', '1', '1000', '%2B99', '007'].map((hz) => profileHead(`?hz=${hz}`, 'a rate')),
  ...['301', '9999', '%2B9999', '9223372036854775807', '000000000000000000000000009999', '%399999'].map(
    (seconds) => refused(`/profile?seconds=${seconds}`, 400, TOO_LONG),
  ),
  refused('/profile?seconds=9999&seconds=1', 400, TOO_LONG),
  refused('/profile?seconds=%zz&seconds=9999', 400, TOO_LONG),
  refused('/profile?%73econds=9999', 400, TOO_LONG),
  refused('/profile?&&x&seconds=9999&', 400, TOO_LONG),
  refused('/profile?seconds=9999', 400, TOO_LONG, HEAD),
  ...['0', '-1', '1001', 'abc', '1.5', '99999999999999999999', '+5', '%00'].map((hz) =>
    refused(`/profile?seconds=1&hz=${hz}`, 400, BAD_HZ),
  ),
  refused('/profile?hz=0', 400, BAD_HZ, HEAD),
  refused('/profile?seconds=9999&hz=0', 400, TOO_LONG),

  // heap
  heap('', 'a profile'),
  heap('?', 'an empty query'),
  heap('?seconds=', 'empty seconds are none'),
  heap('?gc=1', 'after a collection'),
  heap('?gc=abc', 'gc that is no number is none'),
  heap('?hz=0', 'hz is not for heap'),
  ...['', '0', 'x', '1.5', '0x1', '1_0', '+1', '%201', '1?', '-0'].map((debug) =>
    heap(`?debug=${debug}`, 'debug that is no number is 0'),
  ),
  heap('?debug=1;x=2', 'a semicolon drops the pair'),
  heap('?debug=0&debug=1', 'the first value wins'),
  heap('?debug=%zz', 'a broken escape drops the pair'),
  heap('?seconds=5;debug=1', 'a semicolon drops the pair'),
  file('/h%65ap', 'heap', 'a name is decoded'),
  file('/%68%65%61%70?debug=0', 'heap', 'a name is decoded'),
  heap('', 'headers', HEAD),
  heap('?gc=1', 'headers', HEAD),
  ...['1', '2', '-1', '%2B1', '99999999999999999999', '-99999999999999999999', '1&debug=0', '1&gc=1'].map(
    (debug) => heapText(`/heap?debug=${debug}`, 'the text'),
  ),
  heapText('/heap?seconds=&debug=1', 'empty seconds are none'),
  heapText('/heap?debug=1', 'headers', HEAD),
  ...[
    '0',
    '-1',
    'abc',
    '1.5',
    '9999999999999999999999',
    '9223372036854775808',
    '+5',
    '%205',
    '5%20',
    '5%0a',
    '1_0',
    '0x10',
    '1e1',
    'NaN',
    'inf',
    '%C2%B2', // a superscript 2
    '%d9%a3', // an Arabic 3
    '0&seconds=5',
  ].map((seconds) => refused(`/heap?seconds=${seconds}`, 400, BAD_SECONDS)),
  refused('/heap?seconds=0', 400, BAD_SECONDS, HEAD),
  refused('/heap?seconds=abc&debug=1', 400, BAD_SECONDS),
  refused('/heap?debug=1&seconds=0', 400, BAD_SECONDS),
  refused('/heap?seconds=301', 400, TOO_LONG),
  refused('/heap?seconds=9223372036854775807', 400, TOO_LONG),
  refused('/heap?seconds=9999&debug=1', 400, TOO_LONG),
  refused('/heap?seconds=1&debug=1', 400, INCOMPATIBLE),
  refused('/heap?debug=-1&seconds=%2B5', 400, INCOMPATIBLE),
  refused('/heap?seconds=1&debug=1', 400, INCOMPATIBLE, HEAD),

  // Windows
  ...['heap', 'allocs'].flatMap((name) => [
    file(`/${name}?seconds=1`, `${name}-delta`, 'a window'),
    ...['1', '%2B5', '5&seconds=0', '1&debug=x', '1&gc=1', '00000000000000000000001', '300'].map((seconds) =>
      deltaHead(name, `?seconds=${seconds}`, 'HEAD captures nothing'),
    ),
    deltaHead(name, '?seconds=5&debug=1;x', 'a semicolon drops the pair'),
  ]),

  // allocs
  allocs('', 'a profile'),
  allocs('?seconds=', 'empty seconds are none'),
  allocs('?gc=1&hz=0', 'gc and hz are not for allocs'),
  allocs('?debug=x', 'debug that is no number is 0'),
  file('/%61llocs', 'allocs', 'a name is decoded'),
  ...['1', '2', '-1'].map((debug) => heapText(`/allocs?debug=${debug}`, 'the same text as for heap')),
  heapText('/allocs?debug=1', 'headers', HEAD),
  allocs('', 'headers', HEAD),
  refused('/allocs?seconds=0', 400, BAD_SECONDS),
  refused('/allocs?seconds=abc&debug=1', 400, BAD_SECONDS),
  refused('/allocs?seconds=301', 400, TOO_LONG),
  refused('/allocs?seconds=9999&debug=1', 400, TOO_LONG),
  refused('/allocs?seconds=1&debug=1', 400, INCOMPATIBLE),
  refused('/allocs?seconds=0', 400, BAD_SECONDS, HEAD),

  // symbol
  ...['symbol', 'symbolz'].flatMap((name) => [
    ...['', '?', '?debug=1', '?0x1', '?zzz', '?0', '?+', '?0x1%2B0x2', '?%zz', '?%00', '?0x1+0x2+'].map(
      (query) => symbols(`/${name}${query}`, 'nothing is known of these'),
    ),
    symbols(`/${name}?${'1'.repeat(5000)}`, 'one word is too long', { text: WORD_TOO_LONG }),
    symbols(`/${name}?0x1`, 'headers', HEAD),
    symbols(`/${name}`, 'an empty body', { method: 'POST', body: '' }),
    symbols(`/${name}`, 'no body', { method: 'POST' }),
    symbols(`/${name}?0x1`, 'the query of a POST is nobody’s', { method: 'POST', body: '0x1+0x2' }),
    ...Object.entries(BODIES).map(([what, details]) =>
      symbols(`/${name}`, '', {
        title: `POST /${name} with ${what} is 200: any body is read`,
        method: 'POST',
        text: what === 'more than a parser takes' ? WORD_TOO_LONG : NO_SYMBOLS,
        ...details,
      }),
    ),
    symbols(`/${name}`, '1 MiB', { method: 'POST', body: '0x0000000000001+'.repeat(2 ** 16) }),
    refused(`/${name}`, 413, 'Request Entity Too Large', { method: 'POST', body: '+'.repeat(2 ** 20 + 1) }),
    ...['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].map((method) =>
      notAllowed(`/${name}`, method, { header: { allow: 'GET, HEAD, POST' } }),
    ),
  ]),

  // What waits, holds and runs
  ...Object.entries(TEXTS).flatMap(([name, { text, dump = text }]) => [
    file(`/${name}`, name, 'a profile'),
    file(`/${name}?seconds=&gc=1`, name, 'empty seconds are none, gc is not for it'),
    file(`/${name}?debug=x`, name, 'debug that is no number is 0'),
    file(`/${name}`, name, 'headers', HEAD),
    ...['1', '-1'].map((debug) =>
      row(`/${name}?debug=${debug}`, 200, 'the text', { type: TEXT, disposition: null, text }),
    ),
    ...['2', '99999999999999999999'].map((debug) =>
      row(`/${name}?debug=${debug}`, 200, 'the dump, where there is one', {
        type: TEXT,
        disposition: null,
        text: dump,
      }),
    ),
    file(`/${name}?seconds=1`, `${name}-delta`, 'a window'),
    deltaHead(name, '?seconds=300', 'HEAD captures nothing'),
    refused(`/${name}?seconds=0`, 400, BAD_SECONDS),
    refused(`/${name}?seconds=301`, 400, TOO_LONG),
    refused(`/${name}?seconds=1&debug=2`, 400, INCOMPATIBLE),
    notAllowed(`/${name}`, 'POST'),
  ]),

  // trace
  file('/trace?seconds=.05', 'trace', 'a capture', { text: GO_TRACE }),
  file('/trace', 'trace', 'a second', { text: GO_TRACE }),
  file('/trace?seconds=.05&format=go', 'trace', 'the same', { text: GO_TRACE }),
  file('/trace?seconds=.05&format=json', 'trace.json', 'for viewers', { text: /^\[\n\{[^]*\}\n\]\n?$/ }),
  ...['', '?', '?seconds=', '?seconds=%zz', '?seconds=9999;x=1', '?SECONDS=9999', '?debug=1&gc=1&hz=0'].map(
    (query) => traceHead(query, 'seconds absent: 1'),
  ),
  ...[
    'abc',
    '0',
    '-3',
    '0x10',
    '%205',
    '+5',
    '1e999',
    '-inf',
    'inf',
    'NaN',
    '1_',
    '_1',
    '1__0',
    '.',
    'e1',
    '0x.p1',
  ].map((seconds) => traceHead(`?seconds=${seconds}`, 'malformed seconds: 1')),
  ...[
    '1e-1',
    '0x1p-2',
    '.5',
    '5.',
    '%2B1.5',
    '1_0',
    '2e2',
    '0X_1.8P1',
    '0x1p8',
    '00300',
    '300',
    '299.9999',
  ].map((seconds) => traceHead(`?seconds=${seconds}`, 'a number')),
  ...['301', '300.5', '1e3', '1_000', '0x1p9', '%399999', '1e308'].map((seconds) =>
    refused(`/trace?seconds=${seconds}`, 400, TOO_LONG),
  ),
  refused('/trace?seconds=9999', 400, TOO_LONG, HEAD),
  refused('/trace?format=xml', 400, BAD_TRACE_FORMAT),
  refused('/trace?format=Go', 400, BAD_TRACE_FORMAT, HEAD),
  refused('/trace?seconds=9999&format=xml', 400, TOO_LONG),
  notAllowed('/trace', 'POST', { body: '0x1' }),

  // Names
  ...NAMES_OF_NOTHING.map((name) => refused(`/${name}`, 404, UNKNOWN, { header: { 'x-evil': '' } })),
  refused('/nope', 404, UNKNOWN, HEAD),
  ...['%zz', '%', '%2', 'heap%', 'heap%g0', '%zz/heap'].map((name) => refused(`/${name}`, 400, BAD_ESCAPE)),

  // Methods
  ...['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].flatMap((method) =>
    ['/', '/heap', '/profile?seconds=abc', '/cmdline', '/h%65ap', '/allocs'].map((path) =>
      notAllowed(path, method),
    ),
  ),
  notAllowed('/nope', 'POST'),
  ...Object.entries(BODIES).flatMap(([what, details]) =>
    ['/heap', '/profile'].map((path) =>
      notAllowed(path, 'POST', { title: `POST ${path} with ${what} is 405`, ...details }),
    ),
  ),
  ...Object.entries(BODIES).map(([what, details]) =>
    heap('', '', { title: `GET /heap with ${what} is 200: the body is nobody's`, ...details }),
  ),
  notAllowed('/heap', 'POST', { headers: { 'x-http-method-override': 'GET' } }),
  heap('?_method=POST', 'a method is what it is', { headers: { 'x-http-method-override': 'POST' } }),

  // Headers that ask for something else
  ...['/', '/cmdline', '/heap', '/nope'].map((path) => {
    const status = path === '/nope' ? 404 : 200;
    return row(path, status, 'nobody compresses it', { headers: { 'accept-encoding': 'gzip, br' } });
  }),
  file('/profile?seconds=1', 'profile', 'nobody compresses it', { headers: { 'accept-encoding': 'gzip' } }),
  heap('', 'no negotiation', { headers: { accept: 'application/json' } }),
  heap('', 'no ranges', { headers: { range: 'bytes=0-1' } }),
  heap('', 'no cache', { headers: { 'if-none-match': '*' } }),
];

/** One row of each kind, and none that takes a second: enough to see that something bends answers. */
export const SHORT: readonly ContractRow[] = [
  ...new Map(
    CONTRACT.filter(({ path, method }) => method === 'HEAD' || !path.endsWith('?seconds=1')).map((row) => [
      [row.method, row.status, row.text, row.type, row.headers && 1, row.body && 1].join(),
      row,
    ]),
  ).values(),
];

/** Long enough for a capture of a second, too short for one of thirty. */
const PATIENCE_MS = 15_000;

/**
 * Makes a row's request and checks the answer.
 *
 * @param base the address of the index, without its slash
 * @throws Error that tells the row and what differs
 */
export async function checkRow(base: string, row: ContractRow): Promise<void> {
  const { path, method, headers, body, status } = row;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await request({ base, path }, { method, headers, body, signal });
    is('status', answer.status, status);
    is('nosniff', answer.headers['x-content-type-options'], 'nosniff');
    is('cache-control', answer.headers['cache-control'], 'no-store, no-transform');
    for (const never of ['content-encoding', 'etag', 'x-evil']) is(never, answer.headers[never], undefined);
    if (row.type) is('content-type', answer.headers['content-type'], row.type);
    if (row.disposition !== undefined)
      is('content-disposition', answer.headers['content-disposition'] ?? null, row.disposition);
    if (typeof row.text === 'string' || row.text) matches('body', answer.text, row.text);
    for (const [name, value] of Object.entries(row.header ?? {}))
      matches(name, String(answer.headers[name] ?? ''), value);
    if (status >= 300 && status < 400) {
      const arrival = new URL(String(answer.headers.location), base).href;
      is('where it leads', arrival.split('?', 1)[0], `${base}/`);
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
export async function broken(base: string, rows: readonly ContractRow[]): Promise<string[]> {
  const errors: string[] = [];
  for (const row of rows) {
    await checkRow(base, row).catch((error: unknown) => errors.push(String(error).split('\n')[0]!));
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
