import { Writable } from 'node:stream';
import { runInThisContext } from 'node:vm';
import { Get, Injectable, Module, Scope } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CustomProfile,
  type CustomProfileOptions,
  InjectProfile,
  PprofEndpoint,
  PprofModule,
  ProfilerArgumentError,
  ProfilerService,
  type ProfileSampleSource,
  ProfileSource,
  type ProfileSourceOptions,
  samplesOf,
  type SourceSample,
} from '../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, INSPECTOR, startApp, type TestApp } from './support/app.js';
import { request } from './support/http.js';
import { KeptLog } from './support/log.js';
import { DecodedProfile } from './support/process.js';

/** An application's module with a profile of its own. */
@Injectable()
class Pool {
  constructor(@InjectProfile('db_connections') readonly connections: CustomProfile) {}

  open(connection: object): void {
    this.connections.add(connection);
  }
}

@Module({
  imports: [
    PprofModule.forFeature([
      { name: 'db_connections', description: 'Open <connections> & where they were opened.' },
    ]),
  ],
  providers: [Pool],
  exports: [Pool],
})
class PoolModule {}

const withPool: AppSetup = { imports: [PoolModule] };

const own = (name: string, description = 'A profile.'): AppSetup => ({
  imports: [PprofModule.forFeature([{ name, description }])],
});

/** Functions in a file of which every line is known. */
const { addAtLine2, addTwice } = runInThisContext(
  `({ addAtLine2: function addAtLine2(profile, value) {
  profile.add(value);
}, addTwice: function addTwice(profile, a, b) {
  for (const value of [a, b]) profile.add(value);
} })`,
  { filename: '/app/src/pool.js' },
) as {
  addAtLine2(profile: CustomProfile, value: unknown): void;
  addTwice(profile: CustomProfile, a: unknown, b: unknown): void;
};

async function served({ base }: Pick<TestApp, 'base'>, path: string): Promise<DecodedProfile> {
  const { status, body, text } = await request({ base, path: `/${path}` });
  if (status !== 200) throw new Error(`${status} ${text}`);
  return new DecodedProfile(body);
}

/** `type/unit` of the samples and the period, and the period. */
function headOf({ raw }: DecodedProfile): unknown {
  const { strings } = raw.stringTable;
  const shown = ({ type, unit }: { type: number | bigint; unit: number | bigint }): string =>
    `${strings[Number(type)]}/${strings[Number(unit)]}`;
  return {
    types: raw.sampleType.map(shown),
    periodType: shown(raw.periodType!),
    period: Number(raw.period),
    durationNanos: Number(raw.durationNanos),
  };
}

/** Links of the index to what is always there. */
const BUILT_IN = new Set([
  'allocs',
  'block',
  'cmdline',
  'goroutine',
  'goroutineleak',
  'heap',
  'mutex',
  'profile',
  'symbol',
  'threadcreate',
  'trace',
]);

const NOT_FOUND = { status: 404, text: 'Unknown profile\n' };

/** Names that Go would take, and what comes of them. */
const ODD_NAMES: { name: string; path: string; filename?: string }[] = [
  { name: 'example.com/demo.conns', path: 'example.com/demo.conns' },
  { name: 'example.com/demo.conns', path: 'example.com%2Fdemo.conns', filename: 'example.com/demo.conns' },
  { name: 'a/b/', path: 'a/b/' },
  { name: 'a%2Fb', path: 'a%252Fb' },
  { name: 'a"b', path: 'a%22b', filename: 'a_b' },
  { name: '"; filename="evil.exe', path: '%22;%20filename=%22evil.exe', filename: '' },
  { name: 'a\\', path: 'a%5C', filename: 'a_' },
  { name: '<script>alert(1)</script>', path: '%3Cscript%3Ealert(1)%3C/script%3E' },
  { name: "'onmouseover='x", path: '%27onmouseover=%27x' },
  { name: '"onmouseover="x', path: '%22onmouseover=%22x', filename: '_onmouseover=_x' },
  { name: 'javascript:alert(1)', path: 'javascript:alert(1)' },
  { name: 'a?b#c&d', path: 'a%3Fb%23c&d' },
  { name: 'größe→☃', path: encodeURIComponent('größe→☃'), filename: 'gr__e__' },
  { name: 'constructor', path: 'constructor' },
  { name: '__proto__', path: '__proto__' },
  { name: '_', path: '_' },
  { name: 'heap/', path: 'heap/' },
  { name: 'HEAP', path: 'HEAP' },
  { name: 'heap-delta', path: 'heap-delta' },
].filter(({ name }) => !/\s/.test(name));

/** Names that are none. */
const NO_NAMES = [
  '',
  ' ',
  'a b',
  'a\nb',
  'a\r\nX-Evil: 1',
  'a\0',
  '\u001b[31m',
  'a\u007fb',
  '\u0085',
  '/a',
  '..',
  './a',
  '../up',
  'a/../b',
  'a/.',
  '\ud800',
  7,
  null,
  {},
];

describe.each(ADAPTERS)("profiles of the application's own on %s", (adapter) => {
  afterEach(closeApps);

  describe('with forFeature and @InjectProfile', () => {
    it('values come and go', async () => {
      const { app } = await startApp(adapter, withPool);
      const { connections } = app.get(Pool, { strict: false });
      expect(connections).toBeInstanceOf(CustomProfile);
      expect([connections.name, connections.count()]).toEqual(['db_connections', 0]);
      const [first, second] = [{}, {}];
      connections.add(first);
      connections.add(second);
      expect(connections.count()).toBe(2);
      connections.remove(first);
      connections.remove(first);
      connections.remove('never added');
      expect(connections.count()).toBe(1);
      connections.add(first);
      for (const value of [undefined, null, NaN, 0, '', 'text', Symbol('s')]) {
        connections.add(value);
        expect(() => connections.add(value)).toThrow(/has this value already/);
      }
      expect(connections.count()).toBe(9);
    });

    it('to add a value that is there throws, and the profile stays as it is', async () => {
      const { app } = await startApp(adapter, withPool);
      const { connections } = app.get(Pool, { strict: false });
      const value = {};
      connections.add(value);
      expect(() => connections.add(value)).toThrow('the profile db_connections has this value already');
      expect(connections.count()).toBe(1);
    });

    it('is served as Go serves one, with the stacks of those who added', async () => {
      const app = await startApp(adapter, withPool);
      const pool = app.app.get(Pool, { strict: false });
      addAtLine2(pool.connections, {});
      addTwice(pool.connections, {}, {});
      pool.open({});
      const answer = await request(`${app.base}/db_connections`);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="db_connections"',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
      });
      const profile = new DecodedProfile(answer.body);
      expect(headOf(profile)).toEqual({
        types: ['db_connections/count'],
        periodType: 'db_connections/count',
        period: 1,
        durationNanos: 0,
      });
      expect(Math.abs(profile.timeMs - Date.now())).toBeLessThan(30_000);
      expect(profile.total('db_connections')).toBe(4);
      const at = (name: string): object => profile.places.find((place) => place.name === name)!;
      expect(at('addAtLine2')).toMatchObject({ file: '/app/src/pool.js', line: 2 });
      expect(at('addTwice')).toMatchObject({ file: '/app/src/pool.js', line: 4 });
      expect(profile.samples.map(({ stack }) => stack[0])).toEqual(['addAtLine2', 'addTwice', 'Pool.open']);
      const opener = profile.places.find(({ name }) => name === 'Pool.open')!;
      expect(opener.file).toMatch(/\/test\/own-profiles\.e2e-spec\.ts$/);
      expect(profile.places.map(({ name }) => name)).not.toContain('add');
    });

    it('has a text, as Go has it', async () => {
      const { app, base } = await startApp(adapter, withPool);
      const { connections } = app.get(Pool, { strict: false });
      addTwice(connections, 1, 2);
      addAtLine2(connections, 3);
      const { status, headers, text } = await request(`${base}/db_connections?debug=1`);
      expect({ status, type: headers['content-type'], disposition: headers['content-disposition'] }).toEqual({
        status: 200,
        type: 'text/plain; charset=utf-8',
        disposition: undefined,
      });
      const [twice, once] = text.split(/\n(?=\d+ @)/).slice(1);
      expect(text).toMatch(/^db_connections profile: total 3\n2 @ 0x/);
      expect(twice).toMatch(
        /^2 @( 0x[0-9a-f]+)+\n#\t0x[0-9a-f]+\t+addTwice\+0x\d+\t+\/app\/src\/pool\.js:4\n/,
      );
      expect(once).toMatch(
        /^1 @( 0x[0-9a-f]+)+\n#\t0x[0-9a-f]+\t+addAtLine2\+0x\d+\t+\/app\/src\/pool\.js:2\n/,
      );
      for (const debug of ['2', '-1', '99999999999999999999']) {
        expect((await request(`${base}/db_connections?debug=${debug}`)).text).toBe(text);
      }
      expect((await request(`${base}/db_connections?debug=x`)).headers['content-type']).toBe(
        'application/octet-stream',
      );
      const chunks: Buffer[] = [];
      const stream = new Writable({ write: (chunk: Buffer, _, done) => done(void chunks.push(chunk)) });
      await app.get(ProfilerService).lookup('db_connections')!.writeTo(stream, 1);
      expect(Buffer.concat(chunks).toString()).toBe(text);
    });

    it('without a value its text is one line', async () => {
      const { base } = await startApp(adapter, withPool);
      expect((await request(`${base}/db_connections?debug=1`)).text).toBe(
        'db_connections profile: total 0\n',
      );
    });

    it('values that the same line added are one sample, as in Go', async () => {
      const app = await startApp(adapter, withPool);
      const { connections } = app.app.get(Pool, { strict: false });
      addTwice(connections, 1, 2);
      for (let value = 10; value < 1010; value++) addAtLine2(connections, value);
      const profile = await served(app, 'db_connections');
      expect(profile.samples.map(({ stack, values }) => [stack[0], values])).toEqual([
        ['addTwice', { db_connections: 2 }],
        ['addAtLine2', { db_connections: 1000 }],
      ]);
      expect(connections.count()).toBe(1002);
    });

    it('without a value it is empty, with its types', async () => {
      const profile = await served(await startApp(adapter, withPool), 'db_connections');
      expect(profile.samples).toEqual([]);
      expect(headOf(profile)).toMatchObject({
        types: ['db_connections/count'],
        periodType: 'db_connections/count',
      });
    });

    it('takes a value from any depth, and leaves Error as it was', async () => {
      const { app, base } = await startApp(adapter, withPool);
      const { connections } = app.get(Pool, { strict: false });
      const before = [Error.stackTraceLimit, Error.prepareStackTrace];
      const deep = (depth: number): void => (depth > 0 ? deep(depth - 1) : connections.add(depth));
      deep(500);
      expect([Error.stackTraceLimit, Error.prepareStackTrace]).toEqual(before);
      const { samples } = await served({ base }, 'db_connections');
      expect(samples[0]!.stack.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 'deep'));
    });

    it('is a row of the index, with its count and its description', async () => {
      const { app, base } = await startApp(adapter, withPool);
      const row = async (): Promise<string> =>
        /<tr>\s*<td class="count">\d+<\/td>\s*<td class="name"><a href="db_connections">.*?<\/tr>/s.exec(
          (await request({ base, path: '/' })).text,
        )![0];
      expect(await row()).toContain('<td class="count">0</td>');
      app.get(Pool, { strict: false }).open({});
      expect(await row()).toContain('<td class="count">1</td>');
      expect(await row()).toContain('Open &lt;connections&gt; &amp; where they were opened.');
      expect(await row()).toContain(`<code>go tool pprof ${base}/db_connections</code>`);
    });

    it.each(['seconds=1', 'seconds=9999', 'seconds=1&debug=1'])('has no windows: %s', async (query) => {
      const { base } = await startApp(adapter, withPool);
      expect(await request(`${base}/db_connections?${query}`)).toMatchObject({
        status: 400,
        text: '"seconds" parameter is not supported for this profile type\n',
      });
    });

    it.each(['', '?gc=1', '?seconds=', '?debug=x', '?hz=0'])('is the same with %j', async (query) => {
      const app = await startApp(adapter, withPool);
      expect((await served(app, `db_connections${query}`)).samples).toEqual([]);
    });

    it('takes GET and HEAD, behind the guards', async () => {
      const { base } = await startApp(adapter, withPool);
      const head = await request(`${base}/db_connections`, { method: 'HEAD' });
      expect(head).toMatchObject({ status: 200, text: '' });
      expect(head.headers['content-disposition']).toBe('attachment; filename="db_connections"');
      const post = await request(`${base}/db_connections`, { method: 'POST', body: 'x' });
      expect(post).toMatchObject({ status: 405, text: 'Method Not Allowed\n' });
      expect(post.headers.allow).toBe('GET, HEAD');
      const closed = await startApp(adapter, {
        ...withPool,
        pprof: { guards: [{ canActivate: () => false }] },
      });
      expect((await request(`${closed.base}/db_connections`)).status).toBe(403);
    });

    it('symbol knows its addresses', async () => {
      const app = await startApp(adapter, withPool);
      addAtLine2(app.app.get(Pool, { strict: false }).connections, {});
      const { places } = await served(app, 'db_connections');
      const address = `0x${places.find(({ name }) => name === 'addAtLine2')!.address.toString(16)}`;
      expect((await request(`${app.base}/symbol?${address}`)).text).toBe(
        `num_symbols: 1\n${address} addAtLine2\n`,
      );
    });

    it('is told of in the log and the events', async () => {
      const { app, base } = await startApp(adapter, withPool);
      const events: unknown[] = [];
      app.get(ProfilerService).captures.subscribe((event) => events.push(event));
      const { body } = await request(`${base}/db_connections`);
      expect(events).toMatchObject([{ profile: 'db_connections', peer: '127.0.0.1', bytes: body.length }]);
    });

    it('writes itself to a stream, which stays open', async () => {
      const { app } = await startApp(adapter, withPool);
      const profiler = app.get(ProfilerService);
      addAtLine2(app.get(Pool, { strict: false }).connections, {});
      const chunks: Buffer[] = [];
      const stream = new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk);
          done();
        },
      });
      await profiler.lookup('db_connections')!.writeTo(stream, 0);
      expect(stream.writable).toBe(true);
      const profile = new DecodedProfile(Buffer.concat(chunks));
      expect(profile.total('db_connections')).toBe(1);
      const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) });
      failing.on('error', () => undefined);
      await expect(profiler.lookup('db_connections')!.writeTo(failing, 0)).rejects.toThrow('disk full');
    });

    it('is among the profiles, in byte order', async () => {
      const { app } = await startApp(adapter, withPool);
      const names = app
        .get(ProfilerService)
        .profiles()
        .map(({ name }) => name);
      expect(names).toEqual([
        'allocs',
        'block',
        'db_connections',
        'goroutine',
        'goroutineleak',
        'heap',
        'mutex',
        'threadcreate',
      ]);
    });

    it('several of one module, and of several modules', async () => {
      const app = await startApp(adapter, {
        imports: [
          PoolModule,
          PprofModule.forFeature([
            { name: 'one', description: 'One.' },
            { name: 'two', description: 'Two.' },
          ]),
          PprofModule.forFeature([{ name: 'three', description: 'Three.' }]),
        ],
      });
      for (const name of ['db_connections', 'one', 'two', 'three']) {
        expect(headOf(await served(app, name))).toMatchObject({ types: [`${name}/count`] });
      }
    });

    it('without PprofModule.forRoot it counts, and says what it needs to be read', async () => {
      const { app } = await startApp(adapter, { ...withPool, pprof: false });
      const { connections } = app.get(Pool, { strict: false });
      connections.add(1);
      expect(connections.count()).toBe(1);
      await expect(connections.collect()).rejects.toThrow(
        'the profile db_connections needs PprofModule.forRoot() to be read',
      );
    });
  });

  describe('a name', () => {
    it.each(['heap', 'allocs', 'profile', 'cmdline', 'symbol', 'symbolz', 'goroutine', 'trace', 'mutex'])(
      'that Go has fails the boot: %s',
      async (name) => {
        for (const setup of [own(name), sourceSetup({ name, description: 'A source.' }, () => [])]) {
          const message = await failureOf(startApp(adapter, setup));
          expect(message).toMatch(new RegExp(`^[^\\n]*there is a profile "${name}" already[^\\n]*$`));
        }
      },
    );

    it('that another one has fails the boot', async () => {
      const twice: CustomProfileOptions[] = [
        { name: 'twice', description: 'The first.' },
        { name: 'twice', description: 'The second.' },
      ];
      for (const imports of [
        twice.map((one) => PprofModule.forFeature([one])),
        [
          PprofModule.forFeature([twice[0]!]),
          sourceModule({ name: 'twice', description: 'A source.' }, () => []),
        ],
      ]) {
        const message = await failureOf(startApp(adapter, { imports }));
        expect(message).toMatch(/^[^\n]*there is a profile "twice" already[^\n]*$/);
      }
      expect(() => PprofModule.forFeature(twice)).toThrow('PprofModule: forFeature has two profiles "twice"');
    });

    it('that an endpoint of the application has fails the boot', async () => {
      @PprofEndpoint({ name: 'uptime', description: 'Seconds.' })
      class UptimeController {
        @Get()
        read(): string {
          return '1\n';
        }
      }
      const message = await failureOf(
        startApp(adapter, { ...own('uptime'), controllers: [UptimeController] }),
      );
      expect(message).toMatch(/^PprofModule: [^\n]*"uptime"[^\n]*$/);
    });

    it.each(NO_NAMES)('is refused at boot and in code: %j', async (name) => {
      const message = await failureOf((async () => startApp(adapter, own(name as string)))());
      expect(message).toMatch(/^[^\n\0]*name is [^\n\0]*$/);
      expect(message).toContain(JSON.stringify(name));
      const { app } = await startApp(adapter);
      expect(() => app.get(ProfilerService).newProfile(name as string)).toThrow(ProfilerArgumentError);
    });

    it.each(ODD_NAMES)('may be odd: $name at $path', async ({ name, path, filename = name }) => {
      const app = await startApp(adapter, own(name, `About ${name}.`));
      const answer = await request({ base: app.base, path: `/${path}` });
      expect(answer.status).toBe(200);
      expect(answer.headers['content-disposition']).toBe(`attachment; filename="${filename}"`);
      expect(headOf(new DecodedProfile(answer.body))).toMatchObject({ types: [`${name}/count`] });
      const page = (await request({ base: app.base, path: '/' })).text;
      expect(page).not.toMatch(/<script|["']onmouseover=|href="(javascript:|\.\.\/)/i);
      expect(page).toContain(`>${inHtml(name)}</a>`);
      const delta = await request({ base: app.base, path: `/${path}?seconds=1` });
      expect(delta.status).toBe(400);
      expect(delta.headers).not.toHaveProperty('content-disposition');
    });

    it('with a slash, a question mark or a space leads to the profile from the index', async () => {
      for (const name of ['example.com/demo.conns', 'a?b#c', 'a%2Fb', 'http://x/y', 'a"b', 'größe']) {
        const { base, close } = await startApp(adapter, own(name));
        const page = (await request({ base, path: '/' })).text;
        const links = [...page.matchAll(/<td class="name"><a href="([^"]*)"/g)].map(([, href]) => href!);
        const [link, ...others] = links.filter((href) => !BUILT_IN.has(href));
        expect(others).toEqual([]);
        const { href } = new URL(link!.replaceAll('&amp;', '&').replaceAll('&#39;', "'"), `${base}/`);
        expect(page).toContain(`<code>go tool pprof ${href}</code>`);
        const { body } = await request(href);
        expect(new DecodedProfile(body).sampleTypes).toEqual([name]);
        await close();
      }
    });

    it.each([
      '%00',
      'db_connections%00',
      'db_connections%0d%0aX-Evil:%201',
      'db_connections/',
      '%2e',
      'DB_CONNECTIONS',
    ])('that is another one is unknown: %s', async (path) => {
      const { base } = await startApp(adapter, withPool);
      const answer = await request({ base, path: `/${path}` });
      expect(answer).toMatchObject(NOT_FOUND);
      expect(answer.headers).not.toHaveProperty('x-evil');
    });
  });

  describe('@InjectProfile of a name that nobody registered', () => {
    it.each([
      ['at all', PprofModule.forRoot({ ...INSPECTOR, memProfileRate: 0 })], // Nest destroys nothing of what it cannot make
      ['in this module', PprofModule.forFeature([{ name: 'others', description: 'Of others.' }])],
    ])('%s fails the boot, and the error names it', async (_, module) => {
      @Injectable()
      class Lost {
        constructor(@InjectProfile('lost_connections') readonly profile: CustomProfile) {}
      }
      const booting = startApp(adapter, { pprof: false, imports: [module], providers: [Lost] });
      await expect(booting).rejects.toThrow(/resolve dependencies of the Lost \(.*lost_connections/s);
    });
  });

  describe('with newProfile', () => {
    it('there is one at once, and it is served and listed', async () => {
      const app = await startApp(adapter);
      const profiler = app.app.get(ProfilerService);
      expect(await request(`${app.base}/leases`)).toMatchObject(NOT_FOUND);
      const leases = profiler.newProfile('leases');
      addAtLine2(leases, 1);
      expect(profiler.lookup('leases')).toBe(leases);
      expect((await served(app, 'leases')).cumulative('leases', 'addAtLine2')).toBe(1);
      const page = (await request({ base: app.base, path: '/' })).text;
      expect(page).toContain('Values that the application has added to leases.');
      profiler.newProfile('others', 'A sentence of its own.');
      expect((await request({ base: app.base, path: '/' })).text).toContain('A sentence of its own.');
    });

    it.each(['heap', 'allocs', 'trace', 'symbolz', 'db_connections', 'mine'])(
      'the name is taken: %s',
      async (name) => {
        const { app } = await startApp(adapter, withPool);
        const profiler = app.get(ProfilerService);
        profiler.newProfile('mine');
        expect(() => profiler.newProfile(name)).toThrow(ProfilerArgumentError);
        expect(() => profiler.newProfile(name)).toThrow(`there is a profile "${name}" already`);
      },
    );

    it('in a constructor: the boot finds its name taken', async () => {
      @Injectable()
      class Early {
        constructor(profiler: ProfilerService) {
          profiler.newProfile('db_connections');
        }
      }
      const booting = startApp(adapter, { ...withPool, providers: [Early] });
      await expect(booting).rejects.toThrow('there is a profile "db_connections" already');
    });
  });

  describe('with @ProfileSource', () => {
    const sampleTypes = [
      { type: 'waiting', unit: 'count' },
      { type: 'age', unit: 'nanoseconds' },
      { type: 'size', unit: 'bytes' },
      { type: 'tries', unit: 'count' },
    ];
    const options: ProfileSourceOptions = { name: 'queue', description: 'Jobs that wait.', sampleTypes };
    const samples: SourceSample[] = [
      {
        stack: [{ name: 'send', filename: '/app/src/mail.ts', line: 12 }, 'mail'],
        values: [3, 5e9, 1024, 0],
        labels: { kind: 'mail', priority: 7 },
      },
      { stack: ['print'], values: [1, 2, 3, 4] },
      { stack: [], values: [1, 0, 0, 0] },
      { stack: ['nothing'], values: [0, 0, 0, 0] },
    ];

    it.each<[string, () => Iterable<SourceSample> | Promise<Iterable<SourceSample>>]>([
      ['a list', () => samples],
      ['a promise of a list', () => Promise.resolve(samples)],
      ['a set', () => new Set(samples)],
      [
        'a generator',
        function* () {
          yield* samples;
        },
      ],
    ])('computes its samples as %s', async (_, compute) => {
      const app = await startApp(adapter, sourceSetup(options, compute));
      const profile = await served(app, 'queue');
      expect(headOf(profile)).toEqual({
        types: ['waiting/count', 'age/nanoseconds', 'size/bytes', 'tries/count'],
        periodType: 'waiting/count',
        period: 1,
        durationNanos: 0,
      });
      expect(profile.samples).toEqual([
        { stack: ['send', 'mail'], values: { waiting: 3, age: 5e9, size: 1024, tries: 0 } },
        { stack: ['print'], values: { waiting: 1, age: 2, size: 3, tries: 4 } },
        { stack: [], values: { waiting: 1, age: 0, size: 0, tries: 0 } },
      ]);
      expect(profile.places.find(({ name }) => name === 'send')).toMatchObject({
        file: '/app/src/mail.ts',
        line: 12,
      });
      const captured = await app.app.get(ProfilerService).lookup('queue')!.collect();
      expect([...samplesOf(captured.profile)].map(({ labels }) => labels)).toEqual([
        { kind: 'mail', priority: 7 },
        {},
        {},
      ]);
    });

    it('has a text, with its labels', async () => {
      const { base } = await startApp(
        adapter,
        sourceSetup(options, () => samples),
      );
      const { headers, text } = await request(`${base}/queue?debug=1`);
      expect(headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(text).toMatch(
        /^queue profile: total 5\n3 @ 0x[0-9a-f]+ 0x[0-9a-f]+\n# labels: \{"kind":"mail"\}\n#\t0x[0-9a-f]+\t+send\+0x\d+\t+\/app\/src\/mail\.ts:12\n/,
      );
      expect(text).toMatch(/\n1 @ 0x[0-9a-f]+\n#\t0x[0-9a-f]+\t+print\b/);
    });

    it('is asked at each reading, and not by the index', async () => {
      let asked = 0;
      const app = await startApp(
        adapter,
        sourceSetup({ name: 'asked', description: 'How often.' }, () => [
          { stack: ['x'], values: [++asked] },
        ]),
      );
      await request({ base: app.base, path: '/' });
      await request(`${app.base}/asked`, { method: 'HEAD' });
      expect(asked).toBe(0);
      expect((await served(app, 'asked')).total('asked')).toBe(1);
      expect((await served(app, 'asked')).total('asked')).toBe(2);
      const page = (await request({ base: app.base, path: '/' })).text;
      expect(page).toMatch(/<td class="count">1<\/td>\s*<td class="name"><a href="asked">/);
      expect(asked).toBe(2);
    });

    it('has its dependencies, and a factory may make it', async () => {
      @ProfileSource({ name: 'made', description: 'Made by a factory.' })
      class Made implements ProfileSampleSource {
        constructor(private readonly pool: Pool) {}
        samples(): SourceSample[] {
          return [{ stack: [this.pool.connections.name], values: [this.pool.connections.count()] }];
        }
      }
      const app = await startApp(adapter, {
        ...withPool,
        providers: [{ provide: 'source', useFactory: (pool: Pool) => new Made(pool), inject: [Pool] }],
      });
      app.app.get(Pool, { strict: false }).open({});
      expect((await served(app, 'made')).samples).toEqual([
        { stack: ['db_connections'], values: { made: 1 } },
      ]);
    });

    it('is one profile, by however many names it is provided', async () => {
      @ProfileSource({ name: 'aliased', description: 'Two names.' })
      @Injectable()
      class Aliased implements ProfileSampleSource {
        samples(): SourceSample[] {
          return [];
        }
      }
      const app = await startApp(adapter, {
        providers: [Aliased, { provide: 'alias', useExisting: Aliased }],
      });
      expect((await served(app, 'aliased')).samples).toEqual([]);
    });

    it.each<[string, () => unknown]>([
      [
        'throws',
        () => {
          throw new Error('the password is hunter2');
        },
      ],
      ['rejects', () => Promise.reject(new Error('the password is hunter2'))],
      [
        'throws within',
        function* () {
          yield { stack: ['x'], values: [1] };
          throw new Error('the password is hunter2');
        },
      ],
      ['gives too few values', () => [{ stack: ['hunter2'], values: [] }]],
      ['gives too many values', () => [{ stack: ['hunter2'], values: [1, 2] }]],
      ['gives no values', () => [{ stack: ['hunter2'] }]],
      ['gives what is no number', () => [{ stack: ['hunter2'], values: [NaN] }]],
      ['gives too large a number', () => [{ stack: ['hunter2'], values: [Infinity] }]],
      ['gives a text for a value', () => [{ stack: ['hunter2'], values: ['1'] }]],
      ['gives nothing', () => undefined],
      ['gives a number', () => 7],
      ['gives a list of nothing', () => [undefined]],
      ['gives no stack', () => [{ values: [1] }]],
    ])('a source that %s is a 500 in one line, and the service goes on', async (_, compute) => {
      let next = compute as () => SourceSample[];
      const log = new KeptLog();
      const app = await startApp(adapter, {
        ...sourceSetup({ name: 'broken', description: 'Broken.' }, () => next()),
        options: { logger: log },
      });
      const answer = await request(`${app.base}/broken`);
      expect(answer).toMatchObject({ status: 500, text: 'Internal Server Error\n' });
      expect(answer.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-go-pprof': '1',
      });
      expect(answer.headers).not.toHaveProperty('content-disposition');
      expect(log.errors).toHaveLength(1);
      expect(log.errors[0]).toMatch(/Error: .+\n +at /);
      next = () => [{ stack: ['mended'], values: [1] }];
      expect((await served(app, 'broken')).total('broken')).toBe(1);
    });

    it('the log tells the profile whose samples have the wrong number of values', async () => {
      const log = new KeptLog();
      const { base } = await startApp(adapter, {
        ...sourceSetup(options, () => [{ stack: ['x'], values: [1] }]),
        options: { logger: log },
      });
      await request(`${base}/queue`);
      expect(log.errors[0]).toContain(
        'the profile queue has 4 sample types, and its source gave a sample with 1 values',
      );
    });

    it.each([
      [{ sampleTypes: [] }, 'the list of sample types is []'],
      [{ sampleTypes: [...sampleTypes, { type: 'fifth', unit: 'count' }] }, 'the list of sample types is ['],
    ])('has from one to four sample types: %j', (odd, message) => {
      expect(() => ProfileSource({ ...options, ...odd })).toThrow(`ProfileSource: ${message}`);
    });

    it('a value may be negative or a fraction, which is rounded', async () => {
      const app = await startApp(
        adapter,
        sourceSetup({ name: 'odd', description: 'Odd.' }, () => [
          { stack: ['negative'], values: [-5] },
          { stack: ['fraction'], values: [1.6] },
          { stack: ['large'], values: [2 ** 53] },
        ]),
      );
      const { samples } = await served(app, 'odd');
      expect(samples.map(({ values }) => values.odd)).toEqual([-5, 2, 2 ** 53]);
    });

    it('a frame may be called anything', async () => {
      const names = ['a\nb', '<b>', 'größe', '', '__proto__', 'x'.repeat(10_000)];
      const app = await startApp(
        adapter,
        sourceSetup({ name: 'names', description: 'Names.' }, () =>
          names.map((name) => ({ stack: [name], values: [1] })),
        ),
      );
      const { samples } = await served(app, 'names');
      expect(samples.map(({ stack }) => stack[0])).toEqual(names.map((name) => name || '(anonymous)'));
    });

    it.each([true, false])('cumulative: %s decides on windows', async (cumulative) => {
      let count = 1;
      const { base } = await startApp(
        adapter,
        sourceSetup({ name: 'counted', description: 'Counts up.', cumulative }, () => [
          { stack: ['x'], values: [count++] },
        ]),
      );
      const answer = await request(`${base}/counted?seconds=1`);
      expect(answer.status).toBe(cumulative ? 200 : 400);
      const text = '"seconds" parameter is not supported for this profile type\n';
      const shown = cumulative ? new DecodedProfile(answer.body).total('counted') : answer.text;
      expect(shown).toBe(cumulative ? 1 : text);
    });

    it('one that fails at the end of a window is a 500 too', async () => {
      let asked = 0;
      const log = new KeptLog();
      const { base } = await startApp(adapter, {
        ...sourceSetup({ name: 'late', description: 'Fails late.', cumulative: true }, () => {
          if (asked++ > 0) throw new Error('late');
          return [];
        }),
        options: { logger: log },
      });
      expect(await request(`${base}/late?seconds=1`)).toMatchObject({
        status: 500,
        text: 'Internal Server Error\n',
      });
      expect(log.errors[0]).toMatch(/^Error: late\n/);
    });

    it('one of each request fails the boot, since there is no request when a profile is read', async () => {
      @ProfileSource({ name: 'scoped', description: 'Of a request.' })
      @Injectable({ scope: Scope.REQUEST })
      class Scoped implements ProfileSampleSource {
        samples(): SourceSample[] {
          return [];
        }
      }
      const message = await failureOf(startApp(adapter, { providers: [Scoped] }));
      expect(message).toMatch(/^[^\n]*the profile source Scoped has a scope[^\n]*$/);
    });
  });

  describe('with two modules', () => {
    it('both serve them, and both know their symbols', async () => {
      const { app, url } = await startApp(adapter, {
        imports: [
          PoolModule,
          sourceModule({ name: 'queue', description: 'Jobs.' }, () => [{ stack: ['mail'], values: [3] }]),
          PprofModule.forRoot({ ...INSPECTOR, path: 'first' }),
          PprofModule.forRoot({ ...INSPECTOR, path: 'second' }),
        ],
        pprof: false,
      });
      addAtLine2(app.get(Pool, { strict: false }).connections, {});
      for (const path of ['first', 'second']) {
        const base = `${url}/${path}`;
        expect((await served({ base }, 'queue')).total('queue')).toBe(3);
        const profile = await served({ base }, 'db_connections');
        expect(profile.total('db_connections')).toBe(1);
        const { address } = profile.places.find(({ name }) => name === 'addAtLine2')!;
        const { text } = await request(`${base}/symbol?${address}`);
        expect([path, text]).toEqual([path, `num_symbols: 1\n0x${address.toString(16)} addAtLine2\n`]);
      }
    });
  });

  describe('the option endpoints', () => {
    it.each(['db_connections', 'queue'])('switches %s off', async (name) => {
      const { base } = await startApp(adapter, {
        imports: [PoolModule, sourceModule({ name: 'queue', description: 'Jobs.' }, () => [])],
        pprof: { endpoints: { [name]: false } },
      });
      for (const path of [name, `${name}?seconds=1`]) {
        expect(await request(`${base}/${path}`)).toMatchObject(NOT_FOUND);
      }
      expect((await request({ base, path: '/' })).text).not.toContain(name);
      const other = name === 'queue' ? 'db_connections' : 'queue';
      expect((await request(`${base}/${other}`)).status).toBe(200);
    });

    it('still names those that there are', async () => {
      const booting = startApp(adapter, { ...withPool, pprof: { endpoints: { db_conections: false } } });
      await expect(booting).rejects.toThrow(
        /^PprofModule: the option "endpoints" names "db_conections"; there are .*db_connections.*$/,
      );
    });

    it('enabled: false answers 404, and the profile still counts', async () => {
      const { app, base } = await startApp(adapter, { ...withPool, pprof: { enabled: false } });
      app.get(Pool, { strict: false }).open({});
      expect(await request(`${base}/db_connections`)).toMatchObject(NOT_FOUND);
      expect(app.get(Pool, { strict: false }).connections.count()).toBe(1);
    });
  });
});

function inHtml(text: string): string {
  const entities = new Map([...'&<>"\''].map((letter, i) => [letter, ['amp', 'lt', 'gt', 'quot', '#39'][i]]));
  return text.replace(/[&<>"']/g, (letter) => `&${entities.get(letter)};`);
}

/** A module with a source whose samples are computed by a function. */
function sourceModule(
  options: ProfileSourceOptions,
  compute: () => ReturnType<ProfileSampleSource['samples']>,
): NonNullable<AppSetup['imports']>[number] {
  @ProfileSource(options)
  @Injectable()
  class Source implements ProfileSampleSource {
    samples(): ReturnType<ProfileSampleSource['samples']> {
      return compute();
    }
  }
  @Module({ providers: [Source] })
  class SourceModule {}
  return SourceModule;
}

function sourceSetup(...source: Parameters<typeof sourceModule>): AppSetup {
  return { imports: [sourceModule(...source)] };
}

/** The message of what fails a boot. */
async function failureOf(booting: Promise<unknown>): Promise<string> {
  try {
    await booting;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it has booted');
}
