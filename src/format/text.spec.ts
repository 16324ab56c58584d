import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DecodedProfile } from '../../test/support/decoded-profile.js';
import { describeGo, profileFile } from '../../test/support/go.js';
import {
  CONTENTION,
  COUNTS,
  fileOf,
  goPprofProto,
  HEAP,
  type MadeUpSample,
  madeUpProfile,
} from '../../test/support/made-up-profile.js';
import { finished } from './finished.js';
import type { Labels, Profile } from './profile.js';
import { ProfileBuilder } from './builder.js';
import { legacyText } from './text.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const textOf = (name: string, profile: Profile, trailer?: readonly string[]): string =>
  finished(legacyText(name, profile, trailer)).join('');

const [ALLOC, MAIN, LONG] = [0x680d87, 0x680d55, 0x453086fedcb];
const NAMES = new Map([
  [ALLOC, 'alloc'],
  [MAIN, 'main'],
  [LONG, 'aFunctionWithALongName'],
]);
const named = (header: typeof HEAP, samples: readonly MadeUpSample[]): Profile =>
  madeUpProfile(header, samples, (address) => NAMES.get(address) ?? `f${address}`);

/** A sample of V8: so many objects were sampled, and still are; each stands for more. */
function heapSample(stack: readonly number[], sampled: number, size: number, alive = sampled): MadeUpSample {
  const [allocated, inUse] = [sampled, alive].map((n) => Math.round(n / (1 - Math.exp(-size / HEAP.period))));
  return {
    stack,
    values: [allocated!, allocated! * size, inUse!, inUse! * size],
    labels: { bytes: size },
  };
}

/** None of them has the size of an object. */
const LABELS: readonly Labels[] = [{}, { bytes: 7 }, { bytes: 'many' }];

describe('the text of a heap profile', () => {
  it('has the sampled values by bytes in use, comments with the columns of tabwriter, and the trailer', () => {
    const profile = named(HEAP, [
      heapSample([ALLOC, MAIN, LONG], 15, 1_048_576),
      heapSample([MAIN], 3, 16, 1),
      heapSample([MAIN, LONG], 2, 64, 0),
    ]);
    expect(textOf('heap', profile, ['# runtime.MemStats', '# Alloc = 55400048'])).toBe(
      [
        'heap profile: 16: 15728656 [20: 15728816] @ heap/1048576',
        '0: 0 [2: 128] @ 0x680d56 0x453086fedcc',
        '#\t0x680d55\tmain+0x0\t\t\t/app/main.js:157',
        '#\t0x453086fedcb\taFunctionWithALongName+0x0\t/app/main.js:771',
        '',
        '1: 16 [3: 48] @ 0x680d56',
        '#\t0x680d55\tmain+0x0\t/app/main.js:157',
        '',
        '15: 15728640 [15: 15728640] @ 0x680d88 0x680d56 0x453086fedcc',
        '#\t0x680d87\talloc+0x0\t\t\t/app/main.js:207',
        '#\t0x680d55\tmain+0x0\t\t\t/app/main.js:157',
        '#\t0x453086fedcb\taFunctionWithALongName+0x0\t/app/main.js:771',
        '',
        '',
        '# runtime.MemStats',
        '# Alloc = 55400048',
        '',
      ].join('\n'),
    );
  });

  it('has different totals of bytes, since a client that finds the same twice reads two columns only', () => {
    expect(textOf('heap', named(HEAP, [heapSample([MAIN], 1, 1024)]))).toMatch(
      /^heap profile: 1: 1024 \[1: 1025] @ heap\/1048576\n/,
    );
    expect(textOf('heap', named(HEAP, []), ['# end'])).toBe(
      'heap profile: 0: 0 [0: 1] @ heap/1048576\n\n# end\n',
    );
  });

  it('finds the sampled values where counts are rounded, by the size of the objects', () => {
    // 1.1565 objects, as Go writes them.
    const values = [1, 1_212_682, 1, 1_212_682];
    const profile = named(HEAP, [{ stack: [MAIN], values, labels: { bytes: 1_048_576 } }]);
    expect(textOf('heap', profile)).toContain('\n1: 1048576 [1: 1048576] @ 0x680d56\n');
  });

  it('uses the mean size where the label means something else', () => {
    const sampled = heapSample([MAIN], 4, 1024);
    for (const labels of LABELS) {
      expect(textOf('heap', named(HEAP, [{ ...sampled, labels }]))).toContain('\n4: 4096 [4: 4096] @');
    }
  });

  it('omits stacks with less than one sampled object, and has no bytes without objects', () => {
    const profile = named(HEAP, [
      { stack: [MAIN], values: [100, 1600, 1, 16] },
      { stack: [ALLOC], values: [40_000, 640_000, 1, 16] },
      { stack: [LONG], values: [0, 77, 0, 77] },
      { stack: [LONG, LONG], values: [5, 0, 5, 0] },
    ]);
    expect(textOf('heap', profile).match(/^\d.*@/gm)).toEqual(['0: 0 [1: 16] @']);
  });

  it.each([0, 1])('has all values as they are with period %i', (period) => {
    const profile = named({ ...HEAP, period }, [{ stack: [MAIN], values: [7, 70, 5, 50] }]);
    expect(textOf('heap', profile)).toMatch(/\n5: 50 \[7: 70] @ 0x680d56\n/);
  });
});

describe('the text of counts', () => {
  it('is sorted by count and key, with labels that are text', () => {
    const profile = named(COUNTS, [
      { stack: [MAIN], values: [2], labels: { bytes: 16 } },
      { stack: [ALLOC, MAIN], values: [3], labels: { worker: '0', route: '/a "b"' } },
      { stack: [ALLOC], values: [2] },
      { stack: [LONG], values: [0] },
    ]);
    expect(textOf('goroutine', profile)).toBe(
      [
        'goroutine profile: total 7',
        '3 @ 0x680d88 0x680d56',
        String.raw`# labels: {"route":"/a \"b\"", "worker":"0"}`,
        '#\t0x680d87\talloc+0x0\t/app/main.js:207',
        '#\t0x680d55\tmain+0x0\t/app/main.js:157',
        '',
        '2 @ 0x680d56',
        '#\t0x680d55\tmain+0x0\t/app/main.js:157',
        '',
        '2 @ 0x680d88',
        '#\t0x680d87\talloc+0x0\t/app/main.js:207',
        '',
        '',
      ].join('\n'),
    );
  });

  it('has no spaces in its name, since clients reject them', () => {
    expect(textOf('my\tpool \n', named(COUNTS, []))).toBe('my_pool__ profile: total 0\n');
  });

  it.each(['contentions', 'constructor', '__proto__'])('is that of a profile named %s too', (name) => {
    const types = { sampleTypes: [{ type: name, unit: 'count' }] };
    expect(textOf(name, named({ ...COUNTS, ...types }, [{ stack: [MAIN], values: [2] }]))).toMatch(
      new RegExp(`^${name} profile: total 2\n2 @ 0x680d56\n`),
    );
  });
});

describe('the text of contention', () => {
  const profile = named(CONTENTION, [
    { stack: [MAIN], values: [79, 253] },
    { stack: [ALLOC, MAIN], values: [3, 659_498_840] },
  ]);
  const records = /\n659498840 3 @ 0x680d88 0x680d56\n#.*\n#.*\n\n253 79 @ 0x680d56\n#.*\n\n$/;

  it('of a block profile is sorted by delay', () => {
    expect(textOf('block', profile)).toMatch(/^--- contention:\ncycles\/second=1000000000\n6/);
    expect(textOf('block', profile)).toMatch(records);
  });

  it('of a mutex profile has its period', () => {
    expect(textOf('mutex', profile)).toMatch(/^--- mutex:\ncycles\/second=1000000000\nsampling period=1\n6/);
    expect(textOf('mutex', profile)).toMatch(records);
  });
});

describe('the comment of a stack', () => {
  it('has just the name of a frame that has no file', () => {
    const builder = new ProfileBuilder();
    const at = { filename: '', startLine: 0, line: 0, column: 0 };
    const program = builder.location({ ...at, address: 7, functionName: '(program)' });
    const main = builder.location({ ...at, address: 8, functionName: 'main', filename: '/a.js', line: 3 });
    builder.sample([program, main], [1]);
    expect(textOf('goroutine', finished(builder.build(COUNTS, 'x')))).toContain(
      '\n#\t0x7\t(program)\n#\t0x8\tmain+0x0\t/a.js:3\n\n',
    );
  });

  it('is aligned by characters, not by their bytes or halves', () => {
    const wide = madeUpProfile(COUNTS, [{ stack: [7, 8], values: [1] }], (at) =>
      at === 7 ? '🙂🙂🙂' : 'abcdefgh',
    );
    // 🙂🙂🙂+0x0 is 6 wide, abcdefgh+0x0 12: a column of 16
    expect(textOf('goroutine', wide)).toContain(
      '\t🙂🙂🙂+0x0\t\t/app/main.js:7\n#\t0x8\tabcdefgh+0x0\t/app/main.js:8\n',
    );
  });

  it('of 5,000 frames has the innermost 1,000, since clients reject lines above 64 KiB', () => {
    const stack = Array.from({ length: 5000 }, (_, i) => 2 ** 53 - 1 - i);
    const lines = textOf('goroutine', madeUpProfile(COUNTS, [{ stack, values: [1] }])).split('\n');
    expect(lines.slice(2, -2)).toHaveLength(1000);
    expect(lines[1]!.match(/ 0x/g)).toHaveLength(1000);
    expect(lines[2]).toContain('0x1fffffffffffff');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(64 * 1024);
  });

  it('has the highest address as it is', () => {
    const profile = madeUpProfile(COUNTS, [{ stack: [2 ** 53 - 1], values: [1] }]);
    expect(textOf('goroutine', profile)).toContain('\n1 @ 0x20000000000000\n#\t0x1fffffffffffff\t');
  });
});

/** Any UTF-16, most of it odd: what ends lines, what clients look for, lone surrogates. */
const anyName = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      fc.constantFrom(
        '\n',
        '\r',
        '\u2028',
        '\u0085',
        '\t',
        '\n1 @ 0x1',
        '--- Memory map: ---',
        'MAPPED_LIBRARIES:',
        '#',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

const KINDS = [
  { name: 'heap', header: HEAP, sample: /^\d+: \d+ \[\d+: \d+] @( 0x[\da-f]+)+$/ },
  { name: 'block', header: CONTENTION, sample: /^\d+ \d+ @( 0x[\da-f]+)+$/ },
  { name: 'mutex', header: CONTENTION, sample: /^\d+ \d+ @( 0x[\da-f]+)+$/ },
  { name: 'goroutine', header: COUNTS, sample: /^\d+ @( 0x[\da-f]+)+$/ },
];

/** One sample for each name, which is its function's and its label's. */
function profileOfNames(header: typeof HEAP, names: readonly string[]): Profile {
  const samples = names.map((label, i) => ({
    stack: [i + 1, 1000 + i, 2 ** 53 - 1],
    values:
      header === HEAP
        ? heapSample([], i + 1, 16 * (i + 1)).values
        : header.sampleTypes.map((_, type) => i + type + 1),
    labels: { label, [label]: 'key', bytes: 16 * (i + 1) },
  }));
  return madeUpProfile(header, samples, (address) => names[address - 1] ?? 'caller');
}

describe.each(KINDS)('the text of $name', ({ name, header, sample }) => {
  it('has no lines but its header, samples, comments and empty ones, whatever the names', () => {
    fc.assert(
      fc.property(fc.array(anyName, { maxLength: 5 }), (names) => {
        const [first, ...lines] = textOf(name, profileOfNames(header, names)).split(
          /\r|\n|\u2028|\u2029|\u0085/,
        );
        expect(first).toMatch(/^heap profile: |^--- (contention|mutex):$|^goroutine profile: total \d+$/);
        const others = lines.filter((line) => !/^$|^#|^(cycles\/second|sampling period)=\d+$/.test(line));
        expect(others).toHaveLength(names.length);
        for (const line of others) expect(line).toMatch(sample);
        expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThan(64 * 1024);
      }),
    );
  });

  it('is made in pieces, and yields at least every 20 samples', () => {
    const profile = profileOfNames(
      header,
      Array.from({ length: 2000 }, (_, i) => `f${i}`),
    );
    expect([...legacyText(name, profile)].length).toBeGreaterThanOrEqual(200);
    expect(finished(legacyText(name, profile)).length).toBeGreaterThan(1);
  });
});

describeGo('go tool pprof', () => {
  const names = [...fc.sample(anyName, { numRuns: 100, seed: 1 }), 'long'.repeat(20_000)];

  it.each(KINDS)('reads from the text of $name the values by address of the binary form', async (kind) => {
    const profile = profileOfNames(kind.header, names);
    const written = textOf(kind.name, profile, ['# runtime.MemStats', '# Alloc = 1']);
    const text = await goPprofProto('-symbolize=none', profileFile('text.txt', Buffer.from(written)));
    const binary = await goPprofProto(fileOf('binary.pb', profile));
    expect(headerOf(text)).toEqual(headerOf(binary));
    const values = valuesByAddress(text);
    const expected = valuesByAddress(binary);
    const rounded = kind.header === HEAP ? new Map([...expected].map(roundedAsIn(values))) : expected;
    expect(values).toEqual(rounded);
  });
});

function headerOf({ sampleTypes, units, periodType, period }: DecodedProfile): object {
  return { sampleTypes, units, periodType, period };
}

/** Numbers of objects are rounded before and after they are scaled: what is nearer than one object is the same. */
function roundedAsIn(values: ReadonlyMap<string, readonly number[]>) {
  return ([addresses, expected]: [string, number[]]): [string, number[]] => {
    const found = values.get(addresses) ?? [];
    const size = expected[1]! / expected[0]!;
    const tolerance = [1, size, 1, size];
    return [
      addresses,
      expected.map((value, i) => (Math.abs(found[i]! - value) <= tolerance[i]! ? found[i]! : value)),
    ];
  };
}

function valuesByAddress({ raw }: DecodedProfile): Map<string, number[]> {
  const addressOf = new Map(raw.location.map(({ id, address }) => [id, address]));
  return new Map(
    raw.sample.map(({ locationId, value }) => [
      locationId.map((id) => String(addressOf.get(id))).join(),
      value.map(Number),
    ]),
  );
}
