import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import { describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { appFile, HOLDS_LITTLE, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** The line of hotA's loop in the app. */
const HOT_LINE = readFileSync(appFile('formats.mjs'), 'utf8').split('// hot', 1)[0]!.split('\n').length;

describeGo('go tool pprof on a running service on Express', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('formats.mjs', { env: HOLDS_LITTLE });
    await app.post('hold');
  });
  afterAll(() => TestProcess.stopAll());

  it('-top fetches /profile and shows the program and its functions', async () => {
    const output = await until(
      () => goPprof('-top', app.pprof('profile?seconds=1')),
      (output) => ['hotA', 'hotB'].filter((name) => !topRows(output).has(name)),
    );
    expect(output).toContain('File: formats.mjs\n');
    expect(output).toContain('Type: cpu\n');
  });

  it('-top fetches /heap and shows inuse_space by default', async () => {
    const output = await goPprof('-top', app.pprof('heap'));
    expect(output).toContain('Type: inuse_space\n');
    expect(topRows(output).has('holdObjects')).toBe(true);
  });

  it('-peek finds a function', async () => {
    const output = await goPprof('-peek', '^holdObjects$', app.pprof('heap'));
    expect(output).toMatch(/\| +holdObjects$/m);
  });

  it('-list shows the source with the time at its lines', async () => {
    const { bytes } = await until(
      () => app.download('profile?seconds=1'),
      ({ profile }) =>
        profile.places.some(({ name, line }) => name === 'hotA' && line === HOT_LINE) ? [] : ['hotA'],
    );
    const listed = await goPprof('-list', '^hotA$', profileFile('list.pb.gz', bytes));
    expect(listed).toMatch(new RegExp(`^ *[\\d.]+m?s +[\\d.]+m?s +${HOT_LINE}:.*// hot$`, 'm'));
  });
});
