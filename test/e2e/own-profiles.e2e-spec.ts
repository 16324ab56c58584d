import { Writable } from 'node:stream';
import { runInThisContext } from 'node:vm';
import { Injectable, Module, Scope } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CustomProfile,
  InjectProfile,
  PprofModule,
  ProfilerArgumentError,
  ProfilerCollectError,
  ProfilerService,
  type ProfileSampleSource,
  ProfileSource,
  type ProfileSourceOptions,
  samplesOf,
  type SourceSample,
  SymbolTable,
} from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, shortWindows, startApp, type TestApp } from '../support/app.js';
import { UptimeController } from '../support/application-parts.js';
import { onOneLine, symbolName } from '../../src/format/names.js';
import { GO_ERRORS } from '../../src/http/go-errors.js';
import { GO_PROFILES } from '../../src/profiling/profile-registry.js';
import { brokenRows, file, HEAD, notAllowed, refused, text, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';
import { SCRAPER_RULES } from '../support/scraper-rules.js';

@Injectable()
class Pool {
  constructor(@InjectProfile('db_connections') readonly connections: CustomProfile) {}
}

@Module({
  imports: [
    PprofModule.forFeature([{ name: 'db_connections', description: 'Open <connections> & their openers.' }]),
  ],
  providers: [Pool],
  exports: [Pool],
})
class PoolModule {}

const withPool: AppSetup = { imports: [PoolModule] };

/** Functions in a file of which every line is known. */
const { addAtLine2, addAtLine4 } = runInThisContext(
  `({ addAtLine2: function addAtLine2(profile, value) {
  profile.add(value);
}, addAtLine4: function addAtLine4(profile, ...values) {
  for (const value of values) profile.add(value);
} })`,
  { filename: '/app/src/pool.js' },
) as Record<'addAtLine2' | 'addAtLine4', (profile: CustomProfile, ...values: unknown[]) => void>;

/** An application with a source whose samples a function computes. */
function withSource(options: ProfileSourceOptions, compute: () => Iterable<SourceSample>): AppSetup {
  @ProfileSource(options)
  @Injectable()
  class Source implements ProfileSampleSource {
    samples(): Iterable<SourceSample> {
      return compute();
    }
  }
  return { providers: [Source] };
}

const queue = (compute: () => Iterable<SourceSample>, options?: Partial<ProfileSourceOptions>): AppSetup =>
  withSource({ name: 'queue', description: 'Waiting jobs.', ...options }, compute);

const connectionsOf = ({ app }: TestApp): CustomProfile => app.get(Pool, { strict: false }).connections;

async function served({ base }: Pick<TestApp, 'base'>, path: string): Promise<DecodedProfile> {
  return new DecodedProfile((await request({ base, path: `/${path}` })).body);
}

const indexOf = async ({ base }: TestApp): Promise<string> => (await request({ base, path: '/' })).text;

const [, UNSUPPORTED] = GO_ERRORS.deltaUnsupported;

describe.each(ADAPTERS)("the application's own profiles on %s", (adapter) => {
  afterEach(closeApps);

  it('a custom profile follows the contract of named profiles', async () => {
    const app = await startApp(adapter, withPool);
    const rows = [
      file('/db_connections', 'db_connections', 'a profile'),
      file('/db%5Fconnections?gc=1&hz=0&debug=x', 'db_connections', 'names are percent-decoded'),
      file('/db_connections', 'db_connections', 'HEAD sends the same headers', HEAD),
      text('/db_connections?debug=1', 'no values', { text: 'db_connections profile: total 0\n' }),
      text('/db_connections?debug=2', 'as debug=1', { text: 'db_connections profile: total 0\n' }),
      ...['seconds=1', 'seconds=9999', 'seconds=1&debug=1'].map((query) =>
        refused(`/db_connections?${query}`, 400, UNSUPPORTED),
      ),
      refused('/db_connections?seconds=0', 400, TEXTS.badSeconds),
      refused('/db_connections?format=heapprofile', 400, TEXTS.badFormat('speedscope')),
      ...['db_connections/', 'DB_CONNECTIONS', 'db_connections%00', 'db_connections%0d%0aX-Evil:%201'].map(
        (path) => refused(`/${path}`, 404, TEXTS.unknown),
      ),
      notAllowed('/db_connections', 'POST', { body: 'x' }),
    ];
    expect(await brokenRows(app.base, rows)).toEqual([]);
    const closed = await startApp(adapter, {
      ...withPool,
      pprof: { guards: [{ canActivate: () => false }] },
    });
    expect((await request(`${closed.base}/db_connections`)).status).toBe(403);
  });

  it("a custom profile has Go's types, and the stacks that added its values with their lines", async () => {
    const app = await startApp(adapter, withPool);
    const connections = connectionsOf(app);
    addAtLine2(connections, {});
    addAtLine4(connections, 1, 2);
    const profile = await served(app, 'db_connections');
    expect([profile.sampleTypes, profile.units]).toEqual([['db_connections'], ['count']]);
    expect([profile.periodType, profile.period, profile.durationNanos]).toEqual([
      'db_connections/count',
      1,
      0,
    ]);
    expect(profile.samples.map(({ stack, values }) => [stack[0], values])).toEqual([
      ['addAtLine2', { db_connections: 1 }],
      ['addAtLine4', { db_connections: 2 }],
    ]);
    expect(profile.places).toContainEqual(
      expect.objectContaining({ name: 'addAtLine2', file: '/app/src/pool.js', line: 2 }),
    );
    expect(profile.places.map(({ name }) => name)).not.toContain('add');
  });

  it("a custom profile has Go's text, over HTTP and with writeTo", async () => {
    const app = await startApp(adapter, withPool);
    addAtLine2(connectionsOf(app), {});
    addAtLine4(connectionsOf(app), 1, 2);
    const { text } = await request(`${app.base}/db_connections?debug=1`);
    const [total, ...stacks] = text.split(/\n(?=\d+ @)/);
    expect(total).toBe('db_connections profile: total 3');
    expect(stacks[0]).toMatch(
      /^2 @( 0x[0-9a-f]+)+\n#\t0x[0-9a-f]+\t+addAtLine4\+0x0\t+\/app\/src\/pool\.js:4\n/,
    );
    expect(stacks[1]).toMatch(
      /^1 @( 0x[0-9a-f]+)+\n#\t0x[0-9a-f]+\t+addAtLine2\+0x0\t+\/app\/src\/pool\.js:2\n/,
    );
    const chunks: Buffer[] = [];
    const stream = new Writable({ write: (chunk: Buffer, _, done) => done(void chunks.push(chunk)) });
    const profile = app.app.get(ProfilerService).lookup('db_connections')!;
    await profile.writeTo(stream, 1);
    expect(Buffer.concat(chunks.splice(0)).toString()).toBe(text);
    await profile.writeTo(stream);
    expect(new DecodedProfile(Buffer.concat(chunks)).total('db_connections')).toBe(3);
  });

  it('a custom profile shows only values that are present', async () => {
    const app = await startApp(adapter, withPool);
    const connections = connectionsOf(app);
    addAtLine4(connections, 'a', 'b');
    connections.remove('a');
    expect((await served(app, 'db_connections')).total('db_connections')).toBe(1);
    connections.remove('b');
    expect((await served(app, 'db_connections')).samples).toEqual([]);
  });

  it("SymbolTable knows a custom profile's addresses", async () => {
    const app = await startApp(adapter, withPool);
    addAtLine2(connectionsOf(app), {});
    const { places } = await served(app, 'db_connections');
    const symbols = app.app.get(SymbolTable);
    expect(places.map(({ address }) => symbols.nameOf(address))).toEqual(places.map(({ name }) => name));
  });

  it('the index lists a custom profile with its present count and its escaped description', async () => {
    const app = await startApp(adapter, withPool);
    connectionsOf(app).add({});
    const row = /class="name">db_connections<.*?<\/tr>/s.exec(await indexOf(app))?.[0];
    expect(row).toContain('<td class="count">1</td>');
    expect(row).toContain('Open &lt;connections&gt; &amp; their openers.');
    expect(row).toContain(`go tool pprof -http=: &#39;${app.base}/db_connections&#39;</code>`);
  });

  it('profile names with slashes and dots lead from the index to the profile', async () => {
    const name = 'example.com/a.b/demo.conns';
    const app = await startApp(adapter, {
      imports: [PprofModule.forFeature([{ name, description: 'Demo.' }])],
    });
    expect(await indexOf(app)).toContain(`<a href="${name}">`);
    const rows = [
      file(`/${name}`, name, 'slashes'),
      file(`/${name.replaceAll('/', '%2F')}`, name, 'escaped slashes'),
    ];
    expect(await brokenRows(app.base, rows)).toEqual([]);
    expect((await served(app, name)).sampleTypes).toEqual([name]);
  });

  it('reading a custom profile is logged as a capture', async () => {
    const app = await startApp(adapter, withPool);
    const events: unknown[] = [];
    app.app.get(ProfilerService).captures.subscribe((event) => events.push(event));
    const { body } = await request(`${app.base}/db_connections`);
    expect(events).toMatchObject([{ profile: 'db_connections', peer: '127.0.0.1', bytes: body.length }]);
  });

  it('an invalid profile name is refused in a sentence by forFeature, ProfileSource and newProfile', async () => {
    const name = 'a\r\nX-Evil: "1"';
    const { app } = await startApp(adapter);
    const attempts = [
      () => PprofModule.forFeature([{ name, description: 'A profile.' }]),
      () => ProfileSource({ name, description: 'A profile.' }),
      () => app.get(ProfilerService).newProfile(name),
    ];
    for (const attempt of attempts) {
      expect(attempt).toThrow(ProfilerArgumentError);
      expect(attempt).toThrow('invalid profile name "a\\r\\nX-Evil: \\"1\\"": expected letters');
    }
  });

  it('two profiles of one name in one forFeature are refused', () => {
    const options = { name: 'twice', description: 'A profile.' };
    expect(() => PprofModule.forFeature([options, options])).toThrow('profile name "twice" is taken');
  });

  it('a second profile of one name fails the boot, and newProfile in code', async () => {
    const parts = { ...withPool, controllers: [UptimeController] };
    const { app } = await startApp(adapter, parts);
    for (const name of ['heap', 'symbolz', 'uptime', 'db_connections']) {
      const taken = new RegExp(`name "${name}" .*is taken`);
      const clash = [PprofModule.forFeature([{ name, description: 'A profile.' }]), PoolModule];
      await expect(startApp(adapter, { ...parts, imports: clash })).rejects.toThrow(taken);
      const source = withSource({ name, description: 'A source.' }, () => []);
      await expect(startApp(adapter, { ...parts, ...source })).rejects.toThrow(taken);
      expect(() => app.get(ProfilerService).newProfile(name)).toThrow(`profile name "${name}" is taken`);
    }
  });

  it('newProfile in a constructor with the name of another profile fails the boot', async () => {
    @Injectable()
    class Early {
      constructor(profiler: ProfilerService) {
        profiler.newProfile('db_connections');
      }
    }
    const booting = startApp(adapter, { ...withPool, providers: [Early] });
    await expect(booting).rejects.toThrow('profile name "db_connections" is taken');
  });

  it('InjectProfile of a name that the module has not registered fails the boot and names it', async () => {
    @Injectable()
    class Lost {
      constructor(@InjectProfile('lost_connections') readonly profile: CustomProfile) {}
    }
    const booting = startApp(adapter, { ...withPool, providers: [Lost] });
    await expect(booting).rejects.toThrow(/dependencies of the Lost \(.*lost_connections/s);
  });

  it('newProfile makes a profile that is listed and served at once', async () => {
    const app = await startApp(adapter);
    const profiler = app.app.get(ProfilerService);
    addAtLine2(profiler.newProfile('leases', 'Leases of <tenants>.'), {});
    expect((await served(app, 'leases')).cumulative('leases', 'addAtLine2')).toBe(1);
    expect(await indexOf(app)).toContain('Leases of &lt;tenants&gt;.');
    expect(profiler.profiles().map(({ name }) => name)).toEqual([...GO_PROFILES, 'leases'].toSorted());
    expect(() => profiler.newProfile('leases')).toThrow('profile name "leases" is taken');
  });

  it('all modules of an application serve its own profiles, however they were made', async () => {
    const { app, url } = await startApp(adapter, {
      ...queue(() => [{ values: 3 }]),
      imports: [PoolModule, PprofModule.forRoot({ path: 'first' }), PprofModule.forRoot({ path: 'second' })],
      pprof: false,
    });
    app.get(Pool, { strict: false }).connections.add({});
    app.get(ProfilerService, { strict: false }).newProfile('leases').add({});
    for (const path of ['first', 'second']) {
      for (const [name, total] of Object.entries({ queue: 3, db_connections: 1, leases: 1 }))
        expect((await served({ base: `${url}/${path}` }, name)).total(name)).toBe(total);
    }
  });

  it('endpoints: { db_connections: false } switches a custom profile off', async () => {
    const { base } = await startApp(adapter, {
      ...withPool,
      pprof: { endpoints: { db_connections: false } },
    });
    expect(await brokenRows(base, [refused('/db_connections', 404, TEXTS.unknown)])).toEqual([]);
  });

  it('a profile source has its types, labels and frames, and one frame where it gives none', async () => {
    const sampleTypes = [
      { type: 'waiting', unit: 'count' },
      { type: 'age', unit: 'nanoseconds' },
    ];
    const samples = [
      {
        stack: [{ name: 'send', filename: '/app/src/mail.ts', line: 12 }, 'mail'],
        values: [3, 5e9],
        labels: { kind: 'mail', priority: 7 },
      },
      { values: [1, 1.6] },
      { stack: [], values: [0, 2] },
      { stack: ['zero'], values: [0, 0] },
    ];
    const app = await startApp(
      adapter,
      queue(() => samples, { sampleTypes }),
    );
    const profile = await served(app, 'queue');
    expect([profile.sampleTypes, profile.units, profile.periodType, profile.period]).toEqual([
      ['waiting', 'age'],
      ['count', 'nanoseconds'],
      'waiting/count',
      1,
    ]);
    expect(profile.samples).toEqual([
      { stack: ['send', 'mail'], values: { waiting: 3, age: 5e9 } },
      { stack: ['(no stack)'], values: { waiting: 1, age: 4 } },
    ]);
    expect(profile.places[0]).toMatchObject({ name: 'send', file: '/app/src/mail.ts', line: 12 });
    const captured = await app.app.get(ProfilerService).lookup('queue')!.collect();
    expect([...samplesOf(captured.profile)][0]!.labels).toEqual({ kind: 'mail', priority: 7 });
    expect((await request(`${app.base}/queue?debug=1`)).text).toMatch(
      /^queue profile: total 4\n3 @( 0x[0-9a-f]+){2}\n# labels: \{"kind":"mail"\}\n#\t0x[0-9a-f]+\t+send\+0x0\t+\/app\/src\/mail\.ts:12\n/,
    );
  });

  it('a profile source is asked on each read, and not by the index or HEAD', async () => {
    let reads = 0;
    const app = await startApp(
      adapter,
      queue(() => [{ stack: ['x'], values: ++reads }]),
    );
    await indexOf(app);
    await request(`${app.base}/queue`, { method: 'HEAD' });
    expect(reads).toBe(0);
    expect((await served(app, 'queue')).total('queue')).toBe(1);
    expect((await served(app, 'queue')).total('queue')).toBe(2);
    expect(await indexOf(app)).toMatch(/class="name">queue<((?!<tr>).)*<td class="count">1<\/td>/s);
  });

  it('a profile source is one profile by whatever tokens it is provided, and a factory may make it', async () => {
    @ProfileSource({ name: 'made', description: 'Made by a factory.' })
    class Made implements ProfileSampleSource {
      constructor(private readonly pool: Pool) {}
      *samples(): Iterable<SourceSample> {
        yield { stack: [this.pool.connections.name], values: 1 };
      }
    }
    const app = await startApp(adapter, {
      ...withPool,
      providers: [
        { provide: 'made', useFactory: (pool: Pool) => new Made(pool), inject: [Pool] },
        { provide: 'alias', useExisting: 'made' },
      ],
    });
    expect((await served(app, 'made')).samples).toEqual([{ stack: ['db_connections'], values: { made: 1 } }]);
  });

  it('seconds=1 on a cumulative profile source shows how much its values have risen', async () => {
    let jobs = 5;
    const compute = (): SourceSample[] => [{ stack: ['x'], values: (jobs += 10) }];
    const app = await startApp(adapter, queue(compute, { cumulative: true }));
    shortWindows(app);
    const answer = await request(`${app.base}/queue?seconds=1`);
    expect(answer.headers['content-disposition']).toBe('attachment; filename="queue-delta"');
    expect(new DecodedProfile(answer.body).total('queue')).toBe(10);
  });

  it('seconds=1 on a profile source that is not cumulative returns 400', async () => {
    const { base } = await startApp(
      adapter,
      queue(() => []),
    );
    const rows = [refused('/queue?seconds=1', 400, UNSUPPORTED)];
    expect(await brokenRows(base, rows)).toEqual([]);
  });

  it.each([Scope.REQUEST, Scope.TRANSIENT])('a profile source of scope %s fails the boot', async (scope) => {
    @ProfileSource({ name: 'scoped', description: 'Of a request.' })
    @Injectable({ scope })
    class Scoped implements ProfileSampleSource {
      samples(): SourceSample[] {
        return [];
      }
    }
    await expect(startApp(adapter, { providers: [Scoped] })).rejects.toThrow(
      'profile source Scoped must not be request-scoped or transient',
    );
  });
});

/** What clients would cut, drop, or show in two rows. */
const ODD_NAMES = [
  'GET /cats/<id>',
  'Queue<Mail>',
  'a::b(c)',
  '<static_initializer>',
  'WHERE a > (b)',
  'free',
  '0x10 @ 0x2',
  '# comment',
  '--- Memory map: ---',
  'new\nline',
  'ta\tb',
  'N\0UL',
  'long'.repeat(20_000),
  '',
];

describe('names of any kind', () => {
  let app: TestApp;
  beforeAll(async () => {
    const samples: SourceSample[] = [
      ...ODD_NAMES.map((name, i) => ({ stack: [name, 'caller'], values: i + 1, labels: { name } })),
      { stack: Array.from({ length: 2000 }, (_, i) => `deep${i}`), values: 100 },
      { values: 200 },
    ];
    app = await startApp(
      'fastify',
      queue(() => samples, { cumulative: true, description: 'New\nline.' }),
    );
  });
  afterAll(closeApps);

  it('follow the rules of scrapers, in a window of nothing too', async () => {
    shortWindows(app);
    for (const path of ['queue', 'queue?seconds=1']) {
      const { raw } = await served(app, path);
      expect(SCRAPER_RULES.filter(({ holds }) => !holds(raw)).map(({ title }) => title)).toEqual([]);
    }
  });

  it('have a row each, in the text, in symbol and in the index', async () => {
    const body = (await request(`${app.base}/queue?debug=1`)).text;
    const rows = body.split('\n').filter((line) => !/^$|^#|^\d+ @( 0x[0-9a-f]+)+$/.test(line));
    expect(rows).toEqual(['queue profile: total 405']);
    const { places } = await served(app, 'queue');
    const known = app.app.get(SymbolTable);
    expect(places.map(({ address }) => known.nameOf(Number(address)))).not.toContain(undefined);
    const asked = places.map(({ address }) => `0x${address.toString(16)}`);
    const symbols = await request(`${app.base}/symbol`, { method: 'POST', body: asked.join('+') });
    expect(symbols.text.match(/^0x[0-9a-f]+ .+$/gm)).toHaveLength(places.length);
    expect(symbols.text.split('\n')).toHaveLength(places.length + 2);
    expect((await indexOf(app)).match(/class="name">queue</g)).toHaveLength(1);
  });

  describeGo('go tool pprof', () => {
    it.each(['queue', 'queue?debug=1'])('-top of %s has a row for each name, whole', async (path) => {
      const rows = topRows(
        await goPprof('-top', '-nodecount=3000', '-nodefraction=0', `${app.base}/${path}`),
      );
      const shown = ODD_NAMES.map((name) => rows.get(shownAs(name, path))?.flat ?? name);
      expect(shown).toEqual(ODD_NAMES.map((_, i) => `${i + 1}`));
      expect([rows.get('deep0')?.flat, rows.get('(no stack)')?.flat]).toEqual(['100', '200']);
    });
  });
});

/** As `go tool pprof` shows a name: those of a text through `symbol`. */
function shownAs(name: string, path: string): string {
  if (name === '') return '(anonymous)';
  return path === 'queue' ? onOneLine(name) : symbolName(name);
}

describe.each(ADAPTERS)('a faulty profile source on %s', (adapter) => {
  let app: TestApp;
  let next: () => Iterable<SourceSample>;
  let errors: unknown[];
  beforeAll(async () => {
    const logger = { log() {}, warn() {}, error: (message: unknown) => void errors.push(message) };
    app = await startApp(adapter, { ...queue(() => next(), { cumulative: true }), options: { logger } });
  });
  afterAll(closeApps);

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the password is hunter2');
      },
    ],
    [
      'throws midway',
      function* () {
        yield { values: 1 };
        throw undefined;
      },
    ],
    ['returns a promise', () => Promise.resolve([])],
    ['returns nothing', () => undefined],
    ['gives undefined for a sample', () => [undefined]],
    ['gives no values', () => [{ stack: ['hunter2'] }]],
    ['gives too many values', () => [{ values: [1, 2] }]],
    ['gives NaN', () => [{ values: NaN }]],
    ['gives Infinity', () => [{ values: Infinity }]],
    ['gives a text as value', () => [{ values: '1' }]],
    ['gives a bigint as value', () => [{ values: 1n }]],
    ['gives an infinite label', () => [{ values: 1, labels: { size: Infinity } }]],
    ['gives undefined as a frame', () => [{ values: 1, stack: [undefined] }]],
    ['gives a number as a name', () => [{ values: 1, stack: [{ name: 5, filename: '', line: 0 }] }]],
    ['gives a frame without a file', () => [{ values: 1, stack: [{ name: 'f', line: 0 }] }]],
  ])('that %s returns 500 in one line and is logged, and the next read works', async (_, compute) => {
    next = compute as typeof next;
    errors = [];
    const failed = refused('/queue', 500, 'failed to collect profile');
    expect(await brokenRows(app.base, [failed, { ...failed, path: '/queue?seconds=1' }])).toEqual([]);
    const line = /^queue for 127\.0\.0\.1: failed \(failed to collect profile(: .+)?\)$/;
    expect(errors).toEqual([expect.stringMatching(line), expect.stringMatching(line)]);
    const profile = app.app.get(ProfilerService).lookup('queue')!;
    await expect(profile.collect()).rejects.toThrow(ProfilerCollectError);
    next = () => [{ values: 7 }];
    expect((await served(app, 'queue')).total('queue')).toBe(7);
  });
});
