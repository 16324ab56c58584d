import { describe, expect, it } from '@jest/globals';
// oxlint-disable-next-line no-restricted-imports -- Go itself reads what is written
import { describeGo, goPprof, profileFile } from '../../../test/support/go.js';
import { finished } from '../finished.js';
import { legacyText } from './text.js';
import { ProfileBuilder, type PlaceInCode } from '../profile-builder.js';
import { ProfileTables } from '../profile-tables.js';
import type { Profile, ProfileHeader, ValueType } from '../profile.js';

const count = (type: string): ValueType => ({ type, unit: 'count' });
const bytes = (type: string): ValueType => ({ type, unit: 'bytes' });

const header = (
  sampleTypes: readonly ValueType[],
  periodType = sampleTypes[0]!,
  period = 1,
): ProfileHeader => ({
  sampleTypes,
  periodType,
  period,
  defaultSampleType: '',
  timeNanos: 1_764_000_000_123_456_789n,
  durationNanos: 0,
  comments: [],
});
const GOROUTINES = header([count('goroutine')]);
const CONTENTION = header([count('contentions'), { type: 'delay', unit: 'nanoseconds' }]);
const HEAP = header(
  [count('alloc_objects'), bytes('alloc_space'), count('inuse_objects'), bytes('inuse_space')],
  bytes('space'),
  524_288,
);

const place = (address: number, functionName: string, filename = '/app/main.js', line = 1): PlaceInCode => ({
  address,
  functionName,
  filename,
  startLine: 1,
  line,
  column: 0,
});
const ALLOC = place(0x680d87, 'alloc', '/app/src/alloc.js', 27);
const MAIN = place(0x680d55, 'main', '/app/main.js', 50);
const LONG = place(0x453086fedcb, 'aFunctionWithALongName', '/app/long.js', 302);

interface TestSample {
  readonly stack: readonly PlaceInCode[];
  readonly values: readonly number[];
  readonly labels?: Readonly<Record<string, string | number>>;
}

function profileOf(head: ProfileHeader, samples: readonly TestSample[]): Profile {
  const builder = new ProfileBuilder();
  for (const { stack, values, labels } of samples) {
    builder.sample(
      stack.map((at) => builder.location(at)),
      values,
      labels,
    );
  }
  return finished(builder.build(head, '/app/main.js'));
}

const textOf = (name: string, profile: Profile, trailer?: readonly string[]): string =>
  finished(legacyText(name, profile, trailer)).join('');

const commentOf = (profile: Profile): string[] =>
  textOf('goroutine', profile)
    .split('\n')
    .filter((line) => line.startsWith('#'));

async function readByGo(name: string, text: string): Promise<string> {
  const output = await goPprof('-raw', '-symbolize=none', profileFile(`${name}.txt`, Buffer.from(text)));
  return output.replaceAll(/ +/g, ' ');
}

/** What V8 scales a number of sampled objects to. */
const scaled = (sampled: number, size: number): number =>
  Math.round(sampled / (1 - Math.exp(-size / HEAP.period)));

function heapSample(
  stack: readonly PlaceInCode[],
  sampled: number,
  size: number,
  stillSampled = sampled,
): TestSample {
  const [allocated, inUse] = [scaled(sampled, size), scaled(stillSampled, size)];
  return { stack, values: [allocated, allocated * size, inUse, inUse * size], labels: { bytes: size } };
}

describe('the text of a heap', () => {
  it('has the sampled values, by bytes in use, with the columns of tabwriter', () => {
    const profile = profileOf(HEAP, [
      heapSample([ALLOC, MAIN, LONG], 15, 1_048_576),
      heapSample([MAIN], 3, 16, 1),
      heapSample([MAIN, LONG], 2, 64, 0),
    ]);
    expect(textOf('heap', profile, ['# runtime.MemStats', '# Alloc = 55400048'])).toBe(
      [
        'heap profile: 16: 15728656 [20: 15728816] @ heap/1048576',
        '0: 0 [2: 128] @ 0x680d56 0x453086fedcc',
        '#\t0x680d55\tmain+0x0\t\t\t/app/main.js:50',
        '#\t0x453086fedcb\taFunctionWithALongName+0x0\t/app/long.js:302',
        '',
        '1: 16 [3: 48] @ 0x680d56',
        '#\t0x680d55\tmain+0x0\t/app/main.js:50',
        '',
        '15: 15728640 [15: 15728640] @ 0x680d88 0x680d56 0x453086fedcc',
        '#\t0x680d87\talloc+0x0\t\t\t/app/src/alloc.js:27',
        '#\t0x680d55\tmain+0x0\t\t\t/app/main.js:50',
        '#\t0x453086fedcb\taFunctionWithALongName+0x0\t/app/long.js:302',
        '',
        '',
        '# runtime.MemStats',
        '# Alloc = 55400048',
        '',
      ].join('\n'),
    );
  });

  it('makes both totals differ, for clients that would see two columns only', () => {
    const profile = profileOf(HEAP, [heapSample([MAIN], 1, 1024)]);
    expect(textOf('heap', profile)).toMatch(/^heap profile: 1: 1024 \[1: 1025] @ heap\/1048576\n/);
    expect(textOf('heap', profileOf(HEAP, []), ['# end'])).toBe(
      'heap profile: 0: 0 [0: 1] @ heap/1048576\n\n# end\n',
    );
  });

  it('finds the sampled values where counts are rounded, by the size of the objects', () => {
    // 1.1565 objects, as Go writes them.
    const values = [1, 1_212_682, 1, 1_212_682];
    const profile = profileOf(HEAP, [{ stack: [MAIN], values, labels: { bytes: 1_048_576 } }]);
    expect(textOf('heap', profile)).toContain('\n1: 1048576 [1: 1048576] @ 0x680d56\n');
  });

  it('leaves out what comes to no sampled object, and never has bytes of none', () => {
    const profile = profileOf(HEAP, [
      { stack: [MAIN], values: [100, 1600, 1, 16] },
      { stack: [ALLOC], values: [40_000, 640_000, 1, 16] },
      { stack: [LONG], values: [0, 77, 0, 77] },
    ]);
    expect(textOf('heap', profile).match(/^\d.*@/gm)).toEqual(['0: 0 [1: 16] @']);
  });

  it('has all values as they are where every object was sampled', () => {
    const profile = profileOf({ ...HEAP, period: 1 }, [{ stack: [MAIN], values: [7, 70, 5, 50] }]);
    expect(textOf('heap', profile)).toMatch(
      /^heap profile: 5: 50 \[7: 70] @ heap\/2\n5: 50 \[7: 70] @ 0x680d56\n/,
    );
  });
});

describe('the text of counts', () => {
  it('joins what has the same stack and labels, and sorts by count and key', () => {
    const profile = profileOf(GOROUTINES, [
      { stack: [MAIN], values: [1] },
      { stack: [ALLOC, MAIN], values: [2], labels: { worker: '0', route: '/a b' } },
      { stack: [MAIN], values: [1], labels: { bytes: 16 } },
      { stack: [ALLOC, MAIN], values: [1], labels: { route: '/a b', worker: '0' } },
      { stack: [ALLOC], values: [2] },
    ]);
    expect(textOf('goroutine', profile)).toBe(
      [
        'goroutine profile: total 7',
        '3 @ 0x680d88 0x680d56',
        '# labels: {"route":"/a b", "worker":"0"}',
        '#\t0x680d87\talloc+0x0\t/app/src/alloc.js:27',
        '#\t0x680d55\tmain+0x0\t/app/main.js:50',
        '',
        '2 @ 0x680d56',
        '#\t0x680d55\tmain+0x0\t/app/main.js:50',
        '',
        '2 @ 0x680d88',
        '#\t0x680d87\talloc+0x0\t/app/src/alloc.js:27',
        '',
        '',
      ].join('\n'),
    );
  });

  it('quotes labels as Go does', () => {
    const labels = {
      'a"\\': 'tab\t bell\u0007 nul\0 del\u007f nbsp\u00a0 line\u2028 ü 日本 🙂 \u{e0001} \ud800',
    };
    const profile = profileOf(GOROUTINES, [{ stack: [MAIN], values: [1], labels }]);
    expect(textOf('goroutine', profile).split('\n')[2]).toBe(
      String.raw`# labels: {"a\"\\":"tab\t bell\a nul\x00 del\x7f nbsp\u00a0 line\u2028 ü 日本 🙂 \U000e0001 ` +
        '\ufffd"}',
    );
  });

  it('sorts 1,000 records', () => {
    const samples = Array.from({ length: 1000 }, (_, i) => ({
      stack: [place(1 + ((i * 7919) % 1000), `f${i}`)],
      values: [1 + (i % 10)],
    }));
    const text = textOf('things', profileOf(header([count('things')]), samples));
    const records = Array.from(
      text.matchAll(/^(\d+) @( 0x\w+)$/gm),
      ([, n, at]) => [Number(n), at!] as const,
    );
    expect(records).toHaveLength(1000);
    const expected = records.toSorted(([n, at], [m, other]) => m - n || (at < other ? -1 : 1));
    expect(records).toEqual(expected);
    expect(text).toMatch(/^things profile: total 5500\n/);
  });

  it('has an address where there is no stack, since clients accept no line without', () => {
    const profile = profileOf(GOROUTINES, [{ stack: [], values: [2] }]);
    expect(textOf('goroutine', profile)).toBe('goroutine profile: total 2\n2 @ 0x0\n#\t0x0\n\n');
  });

  it('has no spaces in the name, which clients would not accept', () => {
    expect(textOf('my pool', profileOf(GOROUTINES, []))).toBe('my_pool profile: total 0\n');
  });
});

describe('the text of contention', () => {
  const profile = profileOf(CONTENTION, [
    { stack: [MAIN], values: [79, 253] },
    { stack: [ALLOC, MAIN], values: [3, 659_498_840] },
    { stack: [], values: [1, 1] },
  ]);
  const records = [
    '659498840 3 @ 0x680d88 0x680d56',
    '#\t0x680d87\talloc+0x0\t/app/src/alloc.js:27',
    '#\t0x680d55\tmain+0x0\t/app/main.js:50',
    '',
    '253 79 @ 0x680d56',
    '#\t0x680d55\tmain+0x0\t/app/main.js:50',
    '',
    '1 1 @',
    '#\t0x0',
    '',
    '',
  ];

  it('tells a block profile, by delay', () => {
    expect(textOf('block', profile)).toBe(
      ['--- contention:', 'cycles/second=1000000000', ...records].join('\n'),
    );
  });

  it('tells the period of a mutex profile', () => {
    expect(textOf('mutex', profile)).toBe(
      ['--- mutex:', 'cycles/second=1000000000', 'sampling period=1', ...records].join('\n'),
    );
  });

  it('keeps the order of what has the same delay', () => {
    const samples = Array.from({ length: 700 }, (_, i) => ({ stack: [place(i + 1, 'f')], values: [i, 1] }));
    const counts = textOf('block', profileOf(CONTENTION, samples)).matchAll(/^1 (\d+) @/gm);
    expect(Array.from(counts, ([, n]) => Number(n))).toEqual([...samples.keys()]);
  });

  it('has sampled values where the period is not 1, since clients scale them', () => {
    const sampled = profileOf({ ...CONTENTION, period: 5 }, [{ stack: [MAIN], values: [10, 5000] }]);
    expect(textOf('mutex', sampled)).toContain('sampling period=5\n1000 2 @ 0x680d56\n');
    expect(textOf('block', sampled)).toContain('\n5000 10 @ 0x680d56\n');
  });
});

it.each([
  ['goroutine', GOROUTINES],
  ['block', CONTENTION],
  ['heap', { ...HEAP, period: 1 }],
])('yields often in the text of %s, so that nothing waits for 2,000 samples', (name, head) => {
  const samples = Array.from({ length: 2000 }, (_, i) => ({
    stack: [place(1 + i, `f${i}`), MAIN],
    values: head.sampleTypes.map(() => 1 + ((i * 7919) % 1000)),
  }));
  const work = legacyText(name, profileOf(head, samples));
  let yields = 0;
  while (!work.next().done) yields++;
  expect(yields).toBeGreaterThan(20);
});

describe('the comment of a stack', () => {
  it('has a line for each line of a location, and columns only where functions are known', () => {
    const tables = new ProfileTables();
    const strings = ['', 'inner', 'a.js', 'outerFunction', 'b.js'];
    const inner = tables.addFunction(1, 0, 2, 0);
    const outer = tables.addFunction(3, 0, 4, 0);
    tables.addLocation(0x10, 0);
    tables.addLine(inner, 3, 0);
    tables.addLine(outer, 4, 0);
    tables.addLocation(0x2000000, 0);
    tables.addLocation(0x30, 0);
    tables.addLine(inner, 5, 0);
    tables.addSample();
    for (const location of [0, 1, 2]) tables.samples.stack.push(location);
    tables.samples.values.push(1);
    expect(commentOf(finished(tables.build(GOROUTINES, strings, [])))).toEqual([
      '#\t0x10\tinner+0x0\t\ta.js:3',
      '#\t0x10\touterFunction+0x0\tb.js:4',
      '#\t0x2000000',
      '#\t0x30\tinner+0x0\ta.js:5',
    ]);
  });

  it('stays on its line, whatever the names are', () => {
    const evil = place(7, 'f\n1 @ 0x1\r\u2028\t\0\u0085', 'g\v\f\n--- mutex:\n.js', 1);
    expect(commentOf(profileOf(GOROUTINES, [{ stack: [evil], values: [1] }]))).toEqual([
      '#\t0x7\tf 1 @ 0x1     +0x0\tg   --- mutex: .js:1',
    ]);
    expect(textOf('goroutine', profileOf(GOROUTINES, [{ stack: [evil], values: [1] }]))).toHaveLength(
      'goroutine profile: total 1\n1 @ 0x8\n#\t0x7\tf 1 @ 0x1     +0x0\tg   --- mutex: .js:1\n\n'.length,
    );
  });

  it('counts characters, not their bytes or halves', () => {
    const profile = profileOf(GOROUTINES, [
      { stack: [place(7, '🙂🙂🙂'), place(8, 'abcdefgh')], values: [1] },
    ]);
    // 🙂🙂🙂+0x0 is 6 wide, abcdefgh+0x0 12: a column of 16
    expect(commentOf(profile)).toEqual([
      '#\t0x7\t🙂🙂🙂+0x0\t\t/app/main.js:1',
      '#\t0x8\tabcdefgh+0x0\t/app/main.js:1',
    ]);
  });

  it('tells the highest address as it is', () => {
    const profile = profileOf(GOROUTINES, [{ stack: [place(2 ** 53 - 1, 'f')], values: [1] }]);
    expect(textOf('goroutine', profile)).toContain('\n1 @ 0x20000000000000\n#\t0x1fffffffffffff\tf+0x0\t');
  });
});

describeGo('go tool pprof', () => {
  it('reads a heap', async () => {
    const profile = profileOf(HEAP, [
      heapSample([ALLOC, MAIN], 15, 1_048_576, 3),
      heapSample([LONG], 1, 1024),
    ]);
    const output = await readByGo('heap', textOf('heap', profile, ['# runtime.MemStats', '# MaxRSS = 1']));
    expect(output).toContain('Period: 524288');
    expect(output).toContain('alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes');
    expect(output).toMatch(/^ 17 18190\d{3} 3 3638\d{3}: 2 3 \n +bytes:\[1048576]$/m);
    expect(output).toMatch(/^ 512 52480\d 512 52480\d: 1 \n +bytes:\[1024]$/m);
    expect(output).toMatch(/ 1: 0x453086fedcb .*\n 2: 0x680d87 .*\n 3: 0x680d55 /);
  });

  it('reads counts with labels and without a stack', async () => {
    const profile = profileOf(GOROUTINES, [
      { stack: [ALLOC, MAIN], values: [3], labels: { route: 'a\n1 @ 0x1' } },
      { stack: [], values: [2] },
    ]);
    const output = await readByGo('goroutine', textOf('goroutine', profile));
    expect(output).toContain('Samples:\ngoroutine/count\n 3: 1 2 \n 2: 3 \n');
    expect(output).toMatch(/ 1: 0x680d87 .*\n 2: 0x680d55 /);
  });

  it.each(['block', 'mutex'])('reads a %s profile', async (name) => {
    const profile = profileOf(CONTENTION, [
      { stack: [ALLOC, MAIN], values: [3, 659_498_840] },
      { stack: [MAIN], values: [79, 253] },
    ]);
    const output = await readByGo(name, textOf(name, profile));
    expect(output).toContain('contentions/count delay/nanoseconds\n 3 659498840: 1 2 \n 79 253: 2 \n');
    expect(output).toMatch(/ 1: 0x680d87 .*\n 2: 0x680d55 /);
  });
});
