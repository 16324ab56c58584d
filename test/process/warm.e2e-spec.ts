import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { request } from '../support/http.js';
import { HOLDS_LITTLE, startWorkload, TestProcess, type Workload } from '../support/process.js';

const SECOND = 'profile?seconds=1';

const WARM = /^V8's profiler has been running since (\S+): /;
const BY = (sampler: string, hz = 100): string => `CPU samples of the main thread by ${sampler} at ${hz} Hz`;

/** What the application has open of the inspector. */
interface Open {
  readonly sessions: number;
  /** Of the library's profiles, those that run. */
  readonly profiles: number;
}
const IS_WARM: Open = { sessions: 1, profiles: 1 };
const NOTHING: Open = { sessions: 0, profiles: 0 };

/** A process with both copies of the package; `pprof` samples the heap, which takes no session. */
const start = (env: Readonly<Record<string, string>> = {}): Promise<Workload> =>
  startWorkload('warm.mjs', { env: { ...HOLDS_LITTLE, ...env } });

/** Both at a time. */
let apps: readonly Workload[];
beforeAll(async () => {
  apps = await Promise.all([start(), start({ WARM: 'always', FLIGHT_RECORDER: '{ "seconds": 60 }' })]);
});
afterAll(() => TestProcess.stopAll());

describe('two copies of the package in one process, with warm: auto', () => {
  let app: Workload;
  let cold: DecodedProfile;
  let warm: DecodedProfile;
  let bytes: Buffer;
  beforeAll(async () => {
    app = apps[0]!;
    cold = await app.profile(SECOND);
    ({ profile: warm, bytes } = await app.download(SECOND, app.urls[1]));
  });

  it('the first capture starts the profiler, and the next one, of the other copy, says since when it has been running', () => {
    expect([cold, warm].map(({ comments }) => comments[0])).toEqual([BY('inspector'), BY('inspector')]);
    expect(runningSince(cold)).toBeUndefined();
    expect(saysCold(cold)).toBe(true);
    expect(Date.parse(runningSince(warm)!)).toBeLessThan(warm.timeMs);
    expect(saysCold(warm)).toBe(false);
  });

  it('share one session with the inspector, in which one profile runs between captures', async () => {
    expect(await app.post('open')).toEqual(IS_WARM);
  });

  it('a client that goes away in a warm capture ends it, and the next one is by the same profiler', async () => {
    const client = new AbortController();
    const lost = request(app.pprof('profile?seconds=300'), { signal: client.signal });
    await app.post('capturing');
    client.abort();
    await expect(lost).rejects.toThrow('aborted');
    const next = await nextCapture(app);
    expect(runningSince(next)).toBe(runningSince(warm));
    expect(await app.post('open')).toEqual(IS_WARM);
  });

  it("the application's own console.profile and console.profileEnd in a warm capture leave it its samples", async () => {
    await until(
      async () => {
        const [captured] = await Promise.all([app.profile(SECOND), app.post('ownProfile')]);
        return captured;
      },
      (captured) => (captured.cumulative('samples', 'burnInTurns') > 0 ? [] : ['burnInTurns']),
    );
    expect(await app.post('open')).toEqual(IS_WARM);
  });

  it('gc=1 starts the profiler anew, and so does hz= of another rate', async () => {
    const afterGc = await app.profile(`${SECOND}&gc=1`);
    expect(runningSince(afterGc)).toBeUndefined();
    expect(saysCold(afterGc)).toBe(false); // after a collection it knows all code
    const otherRate = await app.profile(`${SECOND}&hz=250`);
    expect(otherRate.comments[0]).toBe(BY('inspector', 250));
    expect(otherRate.period).toBe(1e9 / 250);
    expect(runningSince(otherRate)).toBeUndefined();
    expect(await app.post('open')).toEqual(IS_WARM);
  });

  it('sampler=pprof is answered by pprof, and ends the warm profiler before', async () => {
    const byPprof = await app.profile(`${SECOND}&sampler=pprof`);
    expect(byPprof.comments[0]).toBe(BY('pprof'));
    expect(runningSince(byPprof)).toBeUndefined();
    expect(await app.post('open')).toEqual(NOTHING);
  });

  describeGo('go tool pprof', () => {
    it('opens a profile of a warm capture without a warning', async () => {
      expect(await goPprof('-top', profileFile('warm.pb.gz', bytes))).toContain('Type: cpu\n');
    });
  });

  it('closing during a warm capture replies with what was sampled, ends the profiler, and the process ends by itself', async () => {
    const captured = app.profile('profile?seconds=300');
    await app.post('capturing');
    await app.post('closeAll');
    const { comments, sampleTypes } = await captured;
    expect(comments[0]).toContain('by inspector');
    expect(sampleTypes).toEqual(['samples', 'cpu']);
    await expectEnd(app);
  });
});

describe('two copies of the package in one process, with warm: always and a flight recorder', () => {
  let app: Workload;
  let first: DecodedProfile;
  let since: string;
  let atBoot: Open;
  beforeAll(async () => {
    app = apps[1]!;
    atBoot = await app.post('open');
    first = await app.profile(SECOND, app.urls[1]);
    since = runningSince(first)!;
  });

  it('share one session from the boot on, and the first capture is warm', async () => {
    expect(atBoot).toEqual(IS_WARM);
    expect(Date.parse(since)).toBeLessThan(first.timeMs);
    expect(saysCold(first)).toBe(false);
  });

  it('past=5 names the function that ran, in both copies, at once', async () => {
    for (const url of app.urls) {
      const past = await pastWith('burnInTurns', () => app.post('burn', url), url);
      expect(past.comments[0]).toBe(BY('inspector'));
      expect(runningSince(past)).toBe(since);
    }
  });

  it('past above what was kept has what there is, and a comment that says how much', async () => {
    const { comments } = await app.profile('profile?past=3600');
    expect(comments).toContainEqual(
      expect.stringMatching(/^requested the last 3600 s, but only \d+\.\d s are recorded$/),
    );
  });

  it('past is answered while a capture runs, during which another capture is refused as in use', async () => {
    const client = new AbortController();
    const capture = request(app.pprof('profile?seconds=300'), { signal: client.signal });
    await app.post('capturing');
    await pastWith('burnInCapture', () => app.post('burnInCapture'));
    for (const url of app.urls) {
      expect(await request(app.pprof(SECOND, url))).toMatchObject({
        status: 500,
        text: expect.stringContaining('cpu profiling already in use'),
      });
    }
    client.abort();
    await expect(capture).rejects.toThrow('aborted');
    await nextCapture(app);
  });

  it('hz= of another rate stops the profiler for the capture, and it is started again with the past that it kept', async () => {
    const other = await app.profile(`${SECOND}&hz=250`);
    expect(other.comments[0]).toBe(BY('inspector', 250));
    expect(other.comments).toContain(
      'the warm profiler, which samples at 100 Hz, was stopped for this capture',
    );
    expect(runningSince(other)).toBeUndefined();
    expect(await app.post('open')).toEqual(IS_WARM);
    const past = await pastWith('burnInTurns', () => app.post('burn'));
    expect(Date.parse(runningSince(past)!)).toBeGreaterThanOrEqual(other.timeMs);
    since = runningSince(past)!;
    const all = await app.profile('profile?past=60');
    expect(all.timeMs).toBeLessThan(other.timeMs);
  });

  describeGo('go tool pprof', () => {
    it('opens what past has without a warning', async () => {
      const { bytes } = await app.download('profile?past=30');
      expect(await goPprof('-top', profileFile('past.pb.gz', bytes))).toContain('Type: cpu\n');
    });
  });

  it('after the copy that started the profiler has closed, the other one has it and the past still', async () => {
    const [, second] = app.urls;
    await app.post('closeFirst', second);
    expect(runningSince(await app.profile('profile?past=30', second))).toBe(since);
    expect(runningSince(await app.profile(SECOND, second))).toBe(since);
    expect(await app.post('open', second)).toEqual(IS_WARM);
  });

  it('when the last copy has closed, no session is left and the process ends by itself', async () => {
    await app.post('closeAll', app.urls[1]);
    await expectEnd(app);
  });

  /** The last five seconds, in which a function ran: V8 decides when it is sampled. */
  function pastWith(name: string, run: () => Promise<unknown>, url = app.url): Promise<DecodedProfile> {
    return until(
      async () => {
        await run();
        return app.profile('profile?past=5', url);
      },
      (past) => (past.cumulative('samples', name) > 0 ? [] : [name]),
    );
  }
});

const saysCold = ({ comments }: DecodedProfile): boolean =>
  comments.some((comment) => comment.startsWith("V8's profiler was started for this capture: "));

/** Since when V8's profiler had been running, by the comments. */
const runningSince = ({ comments }: DecodedProfile): string | undefined =>
  comments.map((comment) => WARM.exec(comment)?.[1]).find(Boolean);

/** As soon as the one before has ended, whose client has gone. */
async function nextCapture(app: Workload): Promise<DecodedProfile> {
  const { body } = await until(
    () => request(app.pprof(SECOND)),
    ({ status, text }) => (status === 200 ? [] : [text]),
  );
  return new DecodedProfile(body);
}

async function expectEnd({ process }: Workload): Promise<void> {
  expect(await process.exited).toBe(0);
  expect(process.output).toContain(`open at exit: ${JSON.stringify(NOTHING)}`);
  expect(process.output).not.toMatch(/ERROR|WARN|Warning/);
}
