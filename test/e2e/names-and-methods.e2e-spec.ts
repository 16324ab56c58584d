import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GO_NAMES } from '../../src/profiling/profile-registry.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import {
  checkRow,
  type ContractRow,
  file,
  HEAD,
  notAllowed,
  redirect,
  refused,
  row,
  TEXTS,
} from '../support/contract.js';

const UNKNOWN_NAMES = [
  'nope',
  'nope?seconds=1',
  'nope?debug=1&gc=1',
  'heap/',
  'cmdline/',
  'profile/',
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

const BODIES: Readonly<Record<string, Partial<ContractRow>>> = {
  'no content type': { body: 'seconds=1' },
  'malformed JSON': { body: '{"a":', headers: { 'content-type': 'application/json' } },
  'a form': { body: 'seconds=1&debug=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  'a broken multipart': { body: 'x', headers: { 'content-type': 'multipart/form-data' } },
  'an unknown content type': { body: 'x', headers: { 'content-type': 'application/x-nobody-knows' } },
  'a malformed content type': { body: 'x', headers: { 'content-type': ';;' } },
  'an unknown charset': { body: '{}', headers: { 'content-type': 'application/json; charset=klingon' } },
  'an unknown encoding': {
    body: 'x',
    headers: { 'content-type': 'application/json', 'content-encoding': 'klingon' },
  },
  'more bytes than body parsers accept': {
    body: `"${'x'.repeat(200_000)}"`,
    headers: { 'content-type': 'application/json', connection: 'keep-alive' },
  },
};

const NAMES: readonly ContractRow[] = [
  file('/h%65ap', 'heap', 'names are percent-decoded'),
  file('/%68%65%61%70?debug=0', 'heap', 'names are percent-decoded'),
  ...UNKNOWN_NAMES.map((name) => refused(`/${name}`, 404, TEXTS.unknown, { header: { 'x-evil': '' } })),
  refused('/nope', 404, TEXTS.unknown, HEAD),
  ...['%zz', '%', '%2', 'heap%', 'heap%g0', '%zz/heap'].map((name) =>
    refused(`/${name}`, 400, TEXTS.badEscape),
  ),
  redirect('', { text: 'Temporary Redirect\n' }),
  redirect('?debug=1&x=%20&y=a/b%zz'),
  redirect('?x=//evil.example'),
  redirect('', HEAD),
];

const METHODS: readonly ContractRow[] = [
  ...['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'].flatMap((method) =>
    ['/', '/heap', '/profile?seconds=abc', '/cmdline', '/h%65ap'].map((path) => notAllowed(path, method)),
  ),
  notAllowed('/nope', 'POST'),
  notAllowed('/heap', 'POST', { headers: { 'x-http-method-override': 'GET' } }),
  ...Object.entries(BODIES).flatMap(([what, details]) =>
    ['/heap', '/profile'].map((path) =>
      notAllowed(path, 'POST', { ...details, title: `POST ${path} with ${what} returns 405` }),
    ),
  ),
  ...Object.entries(BODIES).map(([what, details]) =>
    file('/heap', 'heap', '', { ...details, title: `GET /heap with ${what} in its body returns 200` }),
  ),
];

describe.each(ADAPTERS)('names and methods on %s', (adapter) => {
  let base: string;
  beforeAll(async () => {
    ({ base } = await startApp(adapter));
  });
  afterAll(closeApps);

  it.each([...NAMES, ...METHODS])('$title', (row) => expect(checkRow(base, row)).resolves.toBeUndefined());

  it.each([...GO_NAMES])("%s, a name of Go's, returns 200", (name) =>
    expect(checkRow(base, row(`/${name}`, 200, 'it exists', HEAD))).resolves.toBeUndefined(),
  );
});

describe('an application on fastify', () => {
  afterAll(closeApps);

  it('routes the methods that it routes without the module', async () => {
    const methods: string[][] = [];
    for (const pprof of [{}, false] as const) {
      const { app } = await startApp('fastify', { pprof });
      methods.push((app.getHttpAdapter().getInstance() as { supportedMethods: string[] }).supportedMethods);
    }
    expect(methods[0]).toEqual(methods[1]);
  });
});
