import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { checkRow, HEAD, text } from '../support/contract.js';
import { request } from '../support/http.js';

const CONTRACT = [
  text('/cmdline', 'parts are joined by NUL', { text: /^[^\0\n]+(\0[^\0]*)*[^\0\n]$/ }),
  text('/cmdline?seconds=abc&debug=9&gc=1', 'parameters change nothing'),
  text('/cmdline', 'HEAD sends the same headers', HEAD),
  text('/cmdline', 'no compression', { headers: { 'accept-encoding': 'gzip, br' } }),
];

describe.each(ADAPTERS)('cmdline on %s', (adapter) => {
  const { argv } = process;
  beforeAll(() => {
    const secrets = ['--password=hunter2', '--token', 'tkn', 'redis://me:pw@host/0', 'id-4711', 'last'];
    process.argv = [...argv, ...secrets];
  });
  afterAll(() => {
    process.argv = argv;
  });
  afterEach(closeApps);

  it('follows the contract', async () => {
    const { base } = await startApp(adapter);
    for (const row of CONTRACT) await checkRow(base, row);
  });

  it('shows the executable, its options and the arguments, without secrets', async () => {
    const { base } = await startApp(adapter, { pprof: { cmdline: { redact: [/(?<=^id-)\d+$/] } } });
    const shown = (await request(`${base}/cmdline`)).text.split('\0');
    expect(shown.slice(0, -6)).toEqual([process.execPath, ...process.execArgv, ...argv.slice(1)]);
    expect(shown.slice(-6)).toEqual([
      '--password=REDACTED',
      '--token',
      'REDACTED',
      'redis://REDACTED@host/0',
      'id-REDACTED',
      'last',
    ]);
  });
});
