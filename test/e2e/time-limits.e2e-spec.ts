import { afterEach, describe, expect, it } from '@jest/globals';
import type { PprofModuleOptions } from '../../src/index.js';
import { ADAPTERS, type AdapterName, closeApps, shortCpuCaptures, startApp } from '../support/app.js';
import { checkRow, file, refused, text, TEXTS } from '../support/contract.js';
import { request } from '../support/http.js';

const HEAD = { method: 'HEAD', text: '' };

const WRITE_TIMEOUT = [
  { writeTimeout: 2000, row: refused('/profile?seconds=2', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2000, row: refused('/profile?seconds=3', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2001, row: file('/profile?seconds=2', 'profile', 'a capture that is shorter', HEAD) },
  { writeTimeout: 30_000, row: refused('/profile', 400, TEXTS.writeTimeout) },
  { writeTimeout: 30_001, row: file('/profile', 'profile', 'the default of 30 seconds is shorter', HEAD) },
  { writeTimeout: 30_000, row: refused('/profile?seconds=abc', 400, TEXTS.writeTimeout) },
  { writeTimeout: 30_000, row: refused('/profile?seconds=-1', 400, TEXTS.writeTimeout) },
  { writeTimeout: 30_000, row: refused('/profile?seconds=99999999999999999999', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2000, row: refused('/profile?seconds=9999&hz=0', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2000, row: refused('/heap?seconds=2', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2000, row: refused('/heap?seconds=2&debug=1', 400, TEXTS.writeTimeout) },
  { writeTimeout: 2000, row: refused('/heap?seconds=0', 400, TEXTS.badSeconds) },
  { writeTimeout: 1, row: file('/heap', 'heap', 'heap without seconds takes no time') },
  { writeTimeout: 1, row: text('/cmdline?seconds=9', 'cmdline takes no time') },
];

const MAX_SECONDS = [
  refused('/profile?seconds=6', 400, TEXTS.tooLong(5)),
  refused('/heap?seconds=6', 400, TEXTS.tooLong(5)),
  refused('/heap?seconds=6&debug=1', 400, TEXTS.tooLong(5)),
  file('/profile?seconds=5', 'profile', 'the maximum is allowed', HEAD),
  file('/profile', 'profile', 'the default is lowered to the maximum', HEAD),
];

describe.each(ADAPTERS)('time limits on %s', (adapter) => {
  afterEach(closeApps);

  it.each(WRITE_TIMEOUT)('writeTimeout $writeTimeout: $row.title', async ({ writeTimeout, row }) => {
    await checkRow((await startApp(adapter, { pprof: { writeTimeout } })).base, row);
  });

  it.each(MAX_SECONDS)('maxSeconds 5: $title', async (row) => {
    await checkRow((await startApp(adapter, { pprof: { maxSeconds: 5 } })).base, row);
  });

  it('maxSeconds lowers the default of 30 seconds to itself', async () => {
    expect(await secondsOfDefault(adapter, { maxSeconds: 1 })).toBe(1);
    expect(await secondsOfDefault(adapter, { maxSeconds: 31 })).toBe(30);
  });

  it('writeTimeout is compared with the lowered default', async () => {
    const pprof = { maxSeconds: 1, writeTimeout: 1000 };
    await checkRow((await startApp(adapter, { pprof })).base, refused('/profile', 400, TEXTS.writeTimeout));
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
