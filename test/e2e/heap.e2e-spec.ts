import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { checkRow, type ContractRow, file, HEAD, refused, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

const heap = (query: string, promise: string, details?: Partial<ContractRow>): ContractRow =>
  file(`/heap${query}`, 'heap', promise, details);

const CONTRACT: readonly ContractRow[] = [
  heap('', 'a profile'),
  heap('?', 'an empty query changes nothing'),
  heap('?seconds=', 'empty seconds mean none'),
  heap('?gc=abc', 'gc that is no number means none'),
  heap('?hz=0', 'hz is not a parameter of heap'),
  heap('?sampler=datadog', 'sampler is not a parameter of heap'),
  ...['', '0', 'x', '1.5', '0x1', '1_0', '+1', '%201', '1?', '-0'].map((debug) =>
    heap(`?debug=${debug}`, 'debug that is no number means 0'),
  ),
  heap('?debug=1;x=2', 'a semicolon drops the pair'),
  heap('?debug=0&debug=1', 'the first value counts'),
  heap('?debug=%zz', 'a broken escape drops the pair'),
  heap('?seconds=5;debug=1', 'a semicolon drops the pair'),
  heap('', 'HEAD sends the same headers', HEAD),
  heap('?format=', 'an empty format means pprof'),
  file('/heap?format=heapprofile', 'heap.heapprofile', 'HEAD names the file for DevTools', HEAD),
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
  ].map((seconds) => refused(`/heap?seconds=${seconds}`, 400, TEXTS.badSeconds)),
  refused('/heap?seconds=0', 400, TEXTS.badSeconds, HEAD),
  refused('/heap?seconds=abc&debug=1', 400, TEXTS.badSeconds),
  refused('/heap?debug=1&seconds=0', 400, TEXTS.badSeconds),
  ...['301', '9223372036854775807', '9999&debug=1'].map((seconds) =>
    refused(`/heap?seconds=${seconds}`, 400, TEXTS.tooLong(300)),
  ),
  refused('/heap?seconds=1&debug=1', 400, TEXTS.incompatible),
  refused('/heap?debug=-1&seconds=%2B5', 400, TEXTS.incompatible),
  refused('/heap?seconds=1&debug=1', 400, TEXTS.incompatible, HEAD),
  ...['nonsense', 'cpuprofile', 'pprof', 'HEAPPROFILE'].map((format) =>
    refused(`/heap?format=${format}`, 400, TEXTS.badFormat('heapprofile or speedscope')),
  ),
  refused('/heap?format=nonsense', 400, TEXTS.badFormat('heapprofile or speedscope'), HEAD),
  heap('', 'no content negotiation', { headers: { accept: 'application/json' } }),
  heap('', 'no ranges', { headers: { range: 'bytes=0-1' } }),
  heap('', 'no caching', { headers: { 'if-none-match': '*' } }),
  heap('', 'no compression', { headers: { 'accept-encoding': 'gzip, br' } }),
  heap('?_method=POST', 'no method override', { headers: { 'x-http-method-override': 'POST' } }),
];

describe.each(ADAPTERS)('heap on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter, { pprof: { memProfileRate: 1024 } });
  });
  afterAll(closeApps);

  it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

  it("a heap profile has Go's sample types in Go's order, and the period of memProfileRate", async () => {
    const profile = await heapProfile();
    expect(profile.sampleTypes).toEqual(['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space']);
    expect(profile.units).toEqual(['count', 'bytes', 'count', 'bytes']);
    expect([profile.periodType, profile.period, profile.durationNanos]).toEqual(['space/bytes', 1024, 0]);
  });

  it('a heap profile has the objects and bytes of each stack, and memory outside of the heap by itself', async () => {
    const { samples } = await heapProfile();
    const onHeap = samples.filter(({ stack: [leaf] }) => !leaf!.startsWith('('));
    expect(onHeap).toEqual([
      { stack: ['hold', 'main'], values: valuesOf(2048, 2 ** 21) },
      { stack: ['main'], values: valuesOf(1, 2 ** 20) },
    ]);
    const outside = samples.filter((sample) => !onHeap.includes(sample)).map(({ stack }) => stack);
    expect(outside.toSorted()).toEqual([['(ArrayBuffers)'], ['(external)']]);
  });

  it('a heap profile starts at the time of the request', async () => {
    const before = Date.now();
    const { timeMs } = await heapProfile();
    expect(timeMs).toBeGreaterThanOrEqual(before);
    expect(timeMs).toBeLessThanOrEqual(Date.now());
  });

  it('heap?format=heapprofile serves the JSON that DevTools open', async () => {
    const { headers, text } = await request(`${app.base}/heap?format=heapprofile`);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="heap.heapprofile"',
    });
    const { head } = JSON.parse(text) as { head: { children: { callFrame: { functionName: string } }[] } };
    expect(head.children.map(({ callFrame }) => callFrame.functionName)).toEqual(['main']);
  });

  it('four requests for heap at the same time get the same profile', async () => {
    const profiles = await Promise.all([1, 2, 3, 4].map(() => heapProfile()));
    for (const profile of profiles) expect(profile.flat('inuse_space', 'hold')).toBe(2 ** 21);
  });

  async function heapProfile(query = ''): Promise<DecodedProfile> {
    return new DecodedProfile((await request(`${app.base}/heap${query}`)).body);
  }
});

const valuesOf = (count: number, bytes: number): Record<string, number> => ({
  alloc_objects: count,
  alloc_space: bytes,
  inuse_objects: count,
  inuse_space: bytes,
});
