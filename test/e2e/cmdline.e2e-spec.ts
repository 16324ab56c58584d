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

/** Arguments, and what is shown of them. */
const SHOWN = {
  '--password=hunter2': '--password=REDACTED',
  '--token|tkn': '--token|REDACTED',
  'redis://me:pw@host/0': 'redis://REDACTED@host/0',
  'postgres://u:p/ss@h': 'postgres://REDACTED@h',
  '--dsn=host=h password=hunter2': '--dsn=host=h password=REDACTED',
  '--header|Authorization: Bearer abc': '--header|Authorization: REDACTED',
  'id-4711': 'id-REDACTED',
  last: 'last',
};

describe.each(ADAPTERS)('cmdline on %s', (adapter) => {
  const { argv } = process;
  beforeAll(() => {
    const secrets = Object.keys(SHOWN).flatMap((arg) => arg.split('|'));
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
    const expected = Object.values(SHOWN).flatMap((arg) => arg.split('|'));
    expect(shown).toEqual([process.execPath, ...process.execArgv, ...argv.slice(1), ...expected]);
  });
});
