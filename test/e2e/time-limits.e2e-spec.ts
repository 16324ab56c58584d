import { afterEach, describe, expect, it } from '@jest/globals';
import type { PprofModuleOptions } from '../../src/index.js';
import { ADAPTERS, type AdapterName, closeApps, shortCpuCaptures, startApp } from '../support/app.js';
import { brokenRows, type ContractRow, file, HEAD, refused, text, TEXTS } from '../support/contract.js';
import { request } from '../support/http.js';

const LIMITS: readonly { readonly pprof: PprofModuleOptions; readonly rows: readonly ContractRow[] }[] = [
  {
    pprof: { writeTimeout: 2000 },
    rows: [
      refused('/profile?seconds=2', 400, TEXTS.writeTimeout),
      refused('/profile?seconds=3', 400, TEXTS.writeTimeout),
      refused('/profile?seconds=9999&hz=0', 400, TEXTS.writeTimeout),
      refused('/heap?seconds=2', 400, TEXTS.writeTimeout),
      refused('/trace?seconds=2.0', 400, TEXTS.writeTimeout),
      refused('/trace?seconds=0x1p1', 400, TEXTS.writeTimeout),
      refused('/trace?seconds=2&format=json', 400, TEXTS.writeTimeout),
      refused('/heap?seconds=2&debug=1', 400, TEXTS.writeTimeout),
      refused('/heap?seconds=0', 400, TEXTS.badSeconds),
    ],
  },
  {
    pprof: { writeTimeout: 2001 },
    rows: [
      file('/profile?seconds=2', 'profile', 'a capture that is shorter', HEAD),
      file('/trace?seconds=2', 'trace', 'a trace that is shorter', HEAD),
      file('/trace', 'trace', 'the default of one second is shorter', HEAD),
    ],
  },
  {
    pprof: { writeTimeout: 30_000 },
    rows: [
      refused('/profile', 400, TEXTS.writeTimeout),
      refused('/profile?seconds=abc', 400, TEXTS.writeTimeout),
      refused('/profile?seconds=-1', 400, TEXTS.writeTimeout),
      refused('/profile?seconds=99999999999999999999', 400, TEXTS.writeTimeout),
    ],
  },
  {
    pprof: { writeTimeout: 30_001 },
    rows: [file('/profile', 'profile', 'the default of 30 seconds is shorter', HEAD)],
  },
  {
    pprof: { writeTimeout: 1 },
    rows: [
      file('/heap', 'heap', 'heap without seconds takes no time'),
      text('/cmdline?seconds=9', 'cmdline takes no time'),
    ],
  },
  {
    pprof: { writeTimeout: 1000, maxSeconds: 1 }, // compared with the lowered default
    rows: [
      refused('/profile', 400, TEXTS.writeTimeout),
      refused('/trace', 400, TEXTS.writeTimeout),
      refused('/trace?seconds=abc', 400, TEXTS.writeTimeout),
      refused('/trace?seconds=-1', 400, TEXTS.writeTimeout),
      file('/trace?seconds=.999', 'trace', 'fractions are compared', HEAD),
    ],
  },
  {
    pprof: { maxSeconds: 5 },
    rows: [
      refused('/profile?seconds=6', 400, TEXTS.tooLong(5)),
      refused('/heap?seconds=6', 400, TEXTS.tooLong(5)),
      refused('/heap?seconds=6&debug=1', 400, TEXTS.tooLong(5)),
      refused('/trace?seconds=5.01', 400, TEXTS.tooLong(5)),
      file('/trace?seconds=5', 'trace', 'the maximum is allowed', HEAD),
      file('/profile?seconds=5', 'profile', 'the maximum is allowed', HEAD),
      file('/profile', 'profile', 'the default is lowered to the maximum', HEAD),
    ],
  },
];

describe.each(ADAPTERS)('time limits on %s', (adapter) => {
  afterEach(closeApps);

  it.each(LIMITS)('refuse what takes longer, and nothing else: $pprof', async ({ pprof, rows }) => {
    expect(await brokenRows((await startApp(adapter, { pprof })).base, rows)).toEqual([]);
  });

  it('maxSeconds lowers the default of 30 seconds to itself', async () => {
    expect(await secondsOfDefault(adapter, { maxSeconds: 1 })).toBe(1);
    expect(await secondsOfDefault(adapter, { maxSeconds: 31 })).toBe(30);
  });

  it('a profile shorter than writeTimeout is captured', async () => {
    expect(await secondsOfDefault(adapter, { writeTimeout: 1001, maxSeconds: 1 })).toBe(1);
  });
});

/** What `GET /profile` asks of the profiler. */
async function secondsOfDefault(adapter: AdapterName, pprof: PprofModuleOptions): Promise<number> {
  const started = await startApp(adapter, { pprof });
  const asked = shortCpuCaptures(started);
  expect((await request(`${started.base}/profile`)).status).toBe(200);
  return asked[0]!.seconds!;
}
