import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
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

  it('-top fetches /threadcreate and shows each thread that the kernel has, and who started workers', async () => {
    await app.post('workers');
    const { bytes, profile } = await until(
      () => app.download('threadcreate'),
      ({ profile }) => (profile.total('threadcreate') === threadsOf(profile) ? [] : ['threads']),
    );
    expect(profile.flat('threadcreate', 'startWorkers')).toBe(2);
    const rows = topRows(await goPprof('-top', profileFile('threads.pb.gz', bytes)));
    expect([rows.get('(main)')?.flat, rows.get('startWorkers')?.flat]).toEqual(['1', '2']);
  });

  it('-top shows what waits, by /goroutine, /goroutineleak and /block; then no hook of async_hooks is on', async () => {
    await app.post('wait');
    expect(await app.post('hook')).toEqual({ isOn: true });
    const top = async (name: string): Promise<Record<string, string | undefined>> => {
      const { bytes } = await app.download(name);
      const rows = topRows(await goPprof('-top', '-sample_index=0', profileFile(`${name}.pb.gz`, bytes)));
      return Object.fromEntries(
        ['forget', 'waitForEnd', 'waitShortly'].map((name) => [name, rows.get(name)?.flat]),
      );
    };
    await until(
      () => app.profile('goroutineleak'),
      (profile) => (profile.flat('goroutineleak', 'forget') === 3 ? [] : ['forget']),
    );
    expect(await top('goroutineleak')).toEqual({ forget: '3' });
    expect(await top('goroutine')).toEqual({ forget: '3', waitForEnd: '4' });
    await app.post('endWaits');
    await until(
      () => app.post<{ isOn: boolean }>('hook'),
      ({ isOn }) => (isOn ? ['off'] : []),
    );
    expect(await top('goroutine')).toEqual({ forget: '3' });
    expect(await top('block')).toEqual({ waitForEnd: '4', waitShortly: '2' });
  });
});

/** The threads of the process, as the kernel lists them; elsewhere the main thread and those that the app has started. */
function threadsOf({ comments }: DecodedProfile): number {
  const [, pid] = /, pid (\d+)$/.exec(comments.at(-1)!)!;
  return process.platform === 'linux' ? readdirSync(`/proc/${pid}/task`).length : 3;
}
