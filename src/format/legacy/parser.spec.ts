import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { finished } from '../finished.js';
import { parseLegacy } from './parser.js';
import { legacyText } from './text.js';
import { ProfileBuilder, type PlaceInCode } from '../profile-builder.js';
import { type Profile, type ProfileHeader, samplesOf, type ValueType } from '../profile.js';

const count = (type: string): ValueType => ({ type, unit: 'count' });
const bytes = (type: string): ValueType => ({ type, unit: 'bytes' });
const HEAP_TYPES = [
  count('alloc_objects'),
  bytes('alloc_space'),
  count('inuse_objects'),
  bytes('inuse_space'),
];
const CONTENTION_TYPES = [count('contentions'), { type: 'delay', unit: 'nanoseconds' }];

const encoder = new TextEncoder();
const parsed = (...lines: string[]): Profile => finished(parseLegacy(encoder.encode(lines.join('\n'))));

const HIGHEST = -1; // as profile.proto is read

/** Addresses and values of each sample. */
function samplesIn({ samples, locations, sampleTypes }: Profile): { stack: number[]; values: number[] }[] {
  return Array.from({ length: samples.length }, (_, i) => ({
    stack: Array.from(
      samples.stack.subarray(samples.stackStart[i], samples.stackStart[i + 1]),
      (location) => locations.address[location]!,
    ),
    values: [...samples.values.subarray(i * sampleTypes.length, (i + 1) * sampleTypes.length)],
  }));
}

const labelsIn = (profile: Profile): unknown[] => Array.from(samplesOf(profile), ({ labels }) => labels);

/** Names of the mappings of all locations. */
const mappingsOfLocations = ({ locations, mappings }: Profile): (string | undefined)[] =>
  Array.from(locations.mapping, (mapping) => mappings[mapping - 1]?.filename);

describe('counts', () => {
  it('reads a capture of Go', () => {
    const profile = parsed(
      'goroutine profile: total 9',
      '2 @ 0x48c1ea 0x419bae 0x4196f2 0x6812b9 0x493121',
      '# labels: {"route":"/a b", "worker":"0"}',
      '#\t0x6812b8\tmain.blockOnChan+0x18\t/src/demo/main.go:20',
      '',
      '1 @ 0x48c1ea 0x419bae 0x4196f2 0x6810b9 0x493121',
      '#\t0x6810b8\tmain.leak.func1+0x18\t/src/demo/main.go:23',
      '',
      '',
    );
    expect(profile).toMatchObject({
      sampleTypes: [count('goroutine')],
      periodType: count('goroutine'),
      period: 1,
      timeNanos: 0n,
      mappings: [{ start: 0, limit: HIGHEST, filename: '', hasFunctions: false }],
    });
    expect(samplesIn(profile)).toEqual([
      { stack: [0x48c1e9, 0x419bad, 0x4196f1, 0x6812b8, 0x493120], values: [2] },
      { stack: [0x48c1e9, 0x419bad, 0x4196f1, 0x6810b8, 0x493120], values: [1] },
    ]);
    expect(profile.locations).toHaveLength(6);
    expect([...profile.locations.mapping]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(labelsIn(profile)).toEqual([{}, {}]);
  });

  it('reads the empty program counters of threadcreate', () => {
    const profile = parsed('threadcreate profile: total 6', '5 @ 0x0 0x0', '#\t0x0', '', '1 @ 0x456ba5 0x0');
    expect(samplesIn(profile)).toEqual([
      { stack: [HIGHEST, HIGHEST], values: [5] },
      { stack: [0x456ba4, HIGHEST], values: [1] },
    ]);
  });

  it('reads addresses of 64 bits, with the digits that a number has', () => {
    const profile = parsed('x profile: total 1', '1 @ 0xffffffff81000001 0x20000000000000 0x7fffffffffff');
    expect(samplesIn(profile)[0]!.stack).toEqual([-0x7f000000, 2 ** 53 - 1, 0x7ffffffffffe]);
  });

  it('reads comments and empty lines before it, other line ends, and what has no line end', () => {
    const profile = parsed('# a comment', '  ', 'x profile: total 1\r', '3 @ 0x11\r', '', '4 @ 0x21');
    expect(samplesIn(profile)).toEqual([
      { stack: [0x10], values: [3] },
      { stack: [0x20], values: [4] },
    ]);
  });

  it.each([
    '1 @',
    '1 @ ',
    '1 @ 0xAB',
    '1 @ 0x1 ',
    ' 1 @ 0x1',
    '-1 @ 0x1',
    'nonsense',
    '9300000000000000000 @ 0x1',
    '1 @ 0x11112222333344445',
  ])('refuses the line "%s"', (line) => {
    expect(() => parsed('x profile: total 1', line)).toThrow(/^malformed profile: /);
  });

  it.each(['', '# only a comment', 'x y profile: total 1', 'x profile: total', 'hello\nx profile: total 1'])(
    'does not take "%s" for a profile',
    (text) => {
      expect(() => parsed(text)).toThrow(/^unrecognized profile format$/);
    },
  );
});

const typesOfTotals = (allocated: string): number =>
  parsed(`heap profile: 1: 16 [${allocated}] @ heapprofile`).sampleTypes.length;

describe('heaps', () => {
  it('reads a capture of Go', () => {
    const profile = parsed(
      'heap profile: 16: 15729120 [16: 15729121] @ heap/1048576',
      '15: 15728640 [15: 15728640] @ 0x489e7a 0x48e329 0x680d88 0x680d56 0x453087 0x493121',
      '#\t0x680d87\tmain.alloc+0x67\t\t/src/demo/main.go:27',
      '#\t0x680d55\tmain.main+0x35\t\t/src/demo/main.go:50',
      '#\t0x453086\truntime.main+0x426\t/usr/lib/go/src/runtime/proc.go:302',
      '',
      '1: 480 [2: 960] @ 0x680d56',
      '',
      '',
      '# runtime.MemStats',
      '# Alloc = 55400048',
      '# MaxRSS = 10600448',
    );
    expect(profile).toMatchObject({
      sampleTypes: HEAP_TYPES,
      periodType: bytes('space'),
      period: 524_288,
    });
    // What go tool pprof says of the same text.
    expect(samplesIn(profile)).toEqual([
      {
        stack: [0x489e79, 0x48e328, 0x680d87, 0x680d55, 0x453086, 0x493120],
        values: [17, 18_190_449, 17, 18_190_449],
      },
      { stack: [0x680d55], values: [2185, 1_049_056, 1092, 524_528] },
    ]);
    expect(labelsIn(profile)).toEqual([{ bytes: 1_048_576 }, { bytes: 480 }]);
  });

  it.each([
    ['@ heap/1048576', 524_288, [512, 524_800]],
    ['@ heap/2', 1, [1, 1024]],
    ['@ heap', 0, [1, 1024]],
    ['@ heap_v2/524288', 524_288, [512, 524_800]],
    ['@ heapz_v2/524288', 524_288, [512, 524_800]],
    ['@ heapprofile', 1, [1, 1024]],
    ['@ growth', 1, [1, 1024]],
    ['@ growthz', 1, [1, 1024]],
    ['@ fragmentationz', 1, [1, 1024]],
  ])('scales by what "%s" says', (end, period, values) => {
    const profile = parsed(
      `heap profile:     1:     1024 [     1:     1024] ${end}`,
      ' 1: 1024 [1: 1024] @ 0x11',
    );
    expect(profile).toMatchObject({ period, sampleTypes: [count('objects'), bytes('space')] });
    expect(samplesIn(profile)).toEqual([{ stack: [0x10], values }]);
  });

  it('has what is allocated only where the totals differ', () => {
    expect(['1: 16', '0: 0', '1: 17', '2: 16', '0: 32'].map(typesOfTotals)).toEqual([2, 2, 4, 4, 4]);
  });

  it('reads freed objects, empty stacks and what is not in use any more', () => {
    const profile = parsed(
      'heap profile: 1: 16 [9: 160] @ heapprofile',
      '-2: -32 [5: 80] @ 0x11 0x21',
      '0: 0 [4: 80] @',
    );
    expect(samplesIn(profile)).toEqual([
      { stack: [0x10, 0x20], values: [5, 80, -2, -32] },
      { stack: [], values: [4, 80, 0, 0] },
    ]);
    expect(labelsIn(profile)).toEqual([{ bytes: 16 }, { bytes: 20 }]);
  });

  it.each(['0: 16 [1: 16] @ 0x1', '1: 16 [0: 16] @ 0x1', '1: 16 [-1: 16] @ 0x1', '1: 16 @ 0x1', 'nonsense'])(
    'refuses the line "%s"',
    (line) => {
      expect(() => parsed('heap profile: 1: 1 [2: 2] @ heap/2', line)).toThrow(/^malformed profile: /);
    },
  );

  it('does not know other kinds', () => {
    expect(() => parsed('heap profile: 1: 1 [2: 2] @ heapother/2')).toThrow('unrecognized profile format');
    expect(() => parsed('heap profile: 1: 1 [2: 2] @ constructor')).toThrow('unrecognized profile format');
  });
});

describe('contention', () => {
  it('reads a capture of Go', () => {
    const profile = parsed(
      '--- mutex:',
      'cycles/second=2596095986',
      'sampling period=1',
      '659498840 79 @ 0x681179 0x681178 0x493121',
      '#\t0x681178\tsync.(*Mutex).Unlock+0x98\t/usr/lib/go/src/sync/mutex.go:65',
      '',
    );
    expect(profile).toMatchObject({
      sampleTypes: CONTENTION_TYPES,
      periodType: count('contentions'),
      period: 1,
    });
    expect(samplesIn(profile)).toEqual([
      { stack: [0x681178, 0x681177, 0x493120], values: [79, 254_034_844] },
    ]);
  });

  it('scales by the period, and by the frequency where there is one', () => {
    const lines = [
      '--- contentionz 1 ---',
      'sampling period = 100',
      'ms since reset = 16502830',
      '7 2 @ 0x11',
    ];
    expect(parsed(...lines).durationNanos).toBe(16_502_830_000_000);
    expect(samplesIn(parsed(...lines))[0]!.values).toEqual([200, 7]);
    lines.splice(1, 0, 'cycles/second = 500000000', '', 'discarded samples = 0');
    expect(samplesIn(parsed(...lines))[0]!.values).toEqual([200, 1400]);
  });

  it('reads stacks that are empty, and values without a space between them', () => {
    expect(samplesIn(parsed('--- contention:', 'cycles/second=1000000000', '12 3 @', '123 @ 0x2'))).toEqual([
      { stack: [], values: [3, 12] },
      { stack: [1], values: [3, 12] },
    ]);
  });

  it('refuses what is no sample, and does not know other attributes', () => {
    expect(() => parsed('--- mutex:', 'cycles/second=1', '1 2')).toThrow(/^malformed profile: /);
    expect(() => parsed('--- mutex:', 'toString=1')).toThrow(/^unrecognized profile format$/);
    expect(() => parsed('--- mutex:', 'cycles/second=x')).toThrow(/^malformed profile: /);
  });
});

describe('threads', () => {
  const THREAD = '--- Thread 7f794ab90940 (name: main/14748) stack: ---';

  it('reads stacks, those that are the same, and the one from the signal', () => {
    const profile = parsed(
      '--- threadz 1 ---',
      'a comment',
      THREAD,
      '  PC: 0xbc8f1c 0x40be31',
      '  0x7f7949a9811d',
      THREAD,
      '  creator:',
      '  0x11',
      '  0x11 0x31',
      THREAD,
      '    [same as previous thread]',
      '--- Memory map: ---',
      '00400000-00fcb000: /home/program',
      '7f7949a00000-7f7949b00000 /lib/libc.so.6 (@1000) abc123',
    );
    expect(profile).toMatchObject({ sampleTypes: [count('thread')], periodType: count('thread'), period: 1 });
    expect(samplesIn(profile)).toEqual([
      { stack: [0xbc8f1c, 0x40be30, 0x7f7949a9811c], values: [1] },
      { stack: [0x11, 0x30], values: [2] },
    ]);
    expect(profile.mappings).toMatchObject([
      { start: 0x400000, limit: 0xfcb000, filename: '/home/program' },
      { start: 0x7f7949a00000, offset: 0x1000, filename: '/lib/libc.so.6', buildId: 'abc123' },
      { limit: HIGHEST },
    ]);
    expect(mappingsOfLocations(profile)).toEqual([
      '/home/program',
      '/home/program',
      '/lib/libc.so.6',
      '',
      '',
    ]);
  });

  it('reads what ends without a memory map', () => {
    expect(samplesIn(parsed('# threads', THREAD, '0x11', '0x22'))).toEqual([
      { stack: [0x11, 0x21], values: [1] },
    ]);
    expect(samplesIn(parsed(THREAD, '0x11', '---- no stack trace for the others'))).toHaveLength(1);
  });

  it('refuses what has none', () => {
    expect(() => parsed('--- threadz 1 ---', 'nothing')).toThrow(/^malformed profile: /);
    expect(() => parsed('--- threadz 1 ---', '--- other ---')).toThrow(/^malformed profile: /);
  });
});

const framesOf = (profile: Profile): unknown[] =>
  Array.from(samplesOf(profile), ({ stack }) =>
    stack.map(({ name, filename, line }) => [name, filename, line]),
  );

describe('Java', () => {
  const LOCATIONS = [
    '   0x00000001 com.example.Main.run (Main.java:42)',
    ' 0x00000002 com.example.Main.<init> (Main.java:-2)',
    ' 0x00000003 native (deep) (/usr/lib/libnative.so)',
    ' 0x00000004 generated stub/JIT code',
    ' 0x00000005 GC',
    ' 0x000000aa com.example.Unused (Unused.java:1)',
  ];
  const FRAMES = [
    ['com.example.Main.run', 'Main.java', 42],
    ['com.example.Main.<init>', 'Main.java', 0],
    ['native (deep)', 'libnative.so', 0],
    ['STUB', '', 0],
    ['GC', '', 0],
  ];

  it('reads a heap, whose names are in it', () => {
    const profile = parsed(
      '--- heapz 1 ---',
      'format = java',
      'resolution = bytes',
      '  7048 1 @ 0x00000001 0x00000002 0x3 0x4 0x5',
      '',
      ...LOCATIONS,
      '',
    );
    expect(profile).toMatchObject({
      sampleTypes: [count('inuse_objects'), bytes('inuse_space')],
      periodType: { type: '', unit: '' },
      mappings: [],
    });
    expect(samplesIn(profile)[0]!.values).toEqual([74, 527_819]); // as go tool pprof says
    expect(labelsIn(profile)).toEqual([{ bytes: 7048 }]);
    expect(framesOf(profile)).toEqual([FRAMES]);
  });

  it('gives a place the address that it has in every file', () => {
    const head = ['--- heapz 1 ---', 'resolution = bytes'];
    const one = parsed(...head, '16 1 @ 0x7', ' 0x7 f (a.java:1)');
    const other = parsed(...head, '16 1 @ 0x9', ' 0x9 f (a.java:1)');
    expect(samplesIn(one)).toEqual(samplesIn(other));
    expect(samplesIn(one)[0]!.stack[0]).toBeGreaterThan(9);
  });

  it('reads contention, with the header that C++ has too', () => {
    const profile = parsed(
      '--- contentionz 1 ---',
      'format = java',
      'resolution = microseconds',
      'sampling period = 100',
      'ms since reset = 6019923',
      '            14 2 @ 0x5',
      ' 0x5 GC',
    );
    expect(profile).toMatchObject({
      sampleTypes: [count('contentions'), { type: 'delay', unit: 'microseconds' }],
      periodType: count('contentions'),
      period: 100,
      durationNanos: 6_019_923_000_000,
    });
    expect(samplesIn(profile)[0]!.values).toEqual([200, 1400]);
    expect(framesOf(profile)).toEqual([[['GC', '', 0]]]);
  });

  it('reads CPU samples, whose beginning is binary', () => {
    const words = [0, 3, 1, 10_000, 0, 2, 2, 1, 5, 0, 1, 0];
    const profile = finished(
      parseLegacy(Buffer.concat([binary(words, 8, true), Buffer.from(LOCATIONS.join('\n'))])),
    );
    expect(profile.period).toBe(10_000_000);
    expect(samplesIn(profile)[0]!.values).toEqual([2, 20_000_000]);
    expect(framesOf(profile)).toEqual([[FRAMES[0], FRAMES[4]]]);
  });

  it('refuses samples of nothing, and what has no unit', () => {
    const head = ['--- heapz 1 ---', 'format = java'];
    expect(() => parsed(...head, 'resolution = bytes', '16 0 @ 0x1')).toThrow(/^malformed profile: /);
    expect(() => parsed(...head, '16 1 @ 0x1')).toThrow(/^malformed profile: /);
    expect(() => parsed(...head, 'sampling period = 1')).toThrow(/^unrecognized profile format$/);
    expect(() => parsed('--- heapz 1 ---', 'format = perl')).toThrow(/^unrecognized profile format$/);
  });
});

/** Words of four or eight bytes. */
function binary(words: readonly number[], width: 4 | 8, isLittleEndian: boolean): Buffer {
  const view = new DataView(new ArrayBuffer(words.length * width));
  for (const [i, word] of words.entries()) {
    if (width === 4) view.setUint32(i * 4, word, isLittleEndian);
    else view.setBigUint64(i * 8, BigInt(word), isLittleEndian);
  }
  return Buffer.from(view.buffer);
}

const parsedBytes = (...parts: Uint8Array[]): Profile => finished(parseLegacy(Buffer.concat(parts)));

describe('binary CPU profiles', () => {
  const HEADER = [0, 3, 0, 10_000, 0];
  const END = [0, 1, 0];
  /** 64 samples, none of which has a frame of a signal handler. */
  const SAMPLES = Array.from({ length: 64 }, (_, i) => [1 + i, 3, 0x1000 + i, 0x2001 + i, 0x3001]).flat();
  const MAP = Buffer.from(
    'build=/app\n00001000-00003000 r-xp 00000000 00:00 1 $build/program\n00003000-00004000 rw-p 00000000 00:00 1\n',
  );
  it.each([
    [4, true],
    [4, false],
    [8, true],
    [8, false],
  ] as const)('reads words of %i bytes, little-endian: %s', (width, isLittleEndian) => {
    const profile = parsedBytes(binary([...HEADER, ...SAMPLES, ...END], width, isLittleEndian), MAP);
    expect(profile).toMatchObject({
      sampleTypes: [count('samples'), { type: 'cpu', unit: 'nanoseconds' }],
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 10_000_000,
      mappings: [{ start: 0x1000, limit: 0x3000, filename: '/app/program' }, { limit: HIGHEST }],
    });
    expect(samplesIn(profile)).toEqual(
      Array.from({ length: 64 }, (_, i) => ({
        stack: [0x1000 + i, 0x2000 + i, 0x3000],
        values: [1 + i, (1 + i) * 10_000_000],
      })),
    );
    expect(mappingsOfLocations(profile).slice(0, 3)).toEqual(['/app/program', '/app/program', '']);
  });

  it('takes out the frames of the signal handler, and a leaf that is there twice', () => {
    const samples = Array.from({ length: 64 }, (_, i) => [1, 5, 0x1000 + i, 0x51, 0x61, 0x1001 + i, 0x3001]);
    samples[7] = [1, 2, 0x1007, 0x3001]; // one may be another
    const stacks = samplesIn(parsedBytes(binary([...HEADER, ...samples.flat(), ...END], 4, true))).map(
      ({ stack }) => stack,
    );
    expect(stacks[0]).toEqual([0x1000, 0x1000, 0x3000]);
    expect(stacks[7]).toEqual([0x1007, 0x3000]);

    const doubled = samples.map(([n, , leaf, handler, , , root]) => [n!, 4, leaf!, handler!, leaf!, root!]);
    const [first] = samplesIn(parsedBytes(binary([...HEADER, ...doubled.flat(), ...END], 4, true)));
    expect(first!.stack).toEqual([0x1000, 0x3000]);
  });

  it('reads addresses above 2^32, what has no end marker, and a view into a larger buffer', () => {
    const words = binary([...HEADER, ...SAMPLES, 1, 2, 0x7fff12345678, 0x100000000], 8, true);
    const shifted = Buffer.concat([Buffer.from('xyz'), words]).subarray(3);
    expect(samplesIn(parsedBytes(shifted)).at(-1)!.stack).toEqual([0x7fff12345678, 0xffffffff]);
  });

  it('refuses what ends within a sample', () => {
    expect(() => parsedBytes(binary([...HEADER, 1, 3, 1, 2], 8, true))).toThrow(/^malformed profile: /);
    expect(() => parsedBytes(binary([0, 3, 2, 10_000, 0, ...END], 8, true))).toThrow(
      /^unrecognized profile format$/,
    );
  });
});

const withMemoryMap = (addresses: string, ...map: string[]): Profile =>
  parsed('heap profile: 1: 16 [1: 16] @ heapprofile', `1: 16 [1: 16] @ ${addresses}`, '# comment', ...map);

describe('the memory map', () => {
  it('keeps what holds code, joins neighbours, and puts the program first', () => {
    const profile = withMemoryMap(
      '0x7f0000000101 0x500001 0x600001',
      'MAPPED_LIBRARIES:',
      '7f0000000000-7f0000001000 r-xp 00000000 08:01 1234 /lib/libc-2.31.so',
      '00500000-00501000 r-xp 00000000 08:01 1235                 /bin/program',
      '00501000-00502000 r-xp 00001000 08:01 1235 /bin/program',
      '00600000-00700000 rw-p 00000000 00:00 0 [heap]',
      'I0102 12:34:56.789 12 map.cc:12] 7fff00000000-7fff00001000 r-xp 00000000 00:00 0 [vdso]',
      'nothing of this kind',
    );
    expect(profile.mappings).toEqual(
      [
        { start: 0x500000, limit: 0x502000, filename: '/bin/program' },
        { start: 0x7f0000000000, limit: 0x7f0000001000, filename: '/lib/libc-2.31.so' },
        { start: 0x7fff00000000, limit: 0x7fff00001000, filename: '[vdso]' },
        { start: 0, limit: HIGHEST, filename: '' },
      ].map((mapping) => ({ offset: 0, buildId: '', hasFunctions: false, ...mapping })),
    );
    expect(mappingsOfLocations(profile)).toEqual(['/lib/libc-2.31.so', '/bin/program', '']);
  });

  it('repairs what producers get wrong', () => {
    const moved = withMemoryMap('0x400101', '--- Memory map: ---', '  00410000-00500000: /bin/a (@10000)');
    expect(moved.mappings).toMatchObject([{ start: 0x400000, offset: 0, limit: 0x500000 }]);
    const cutOff = withMemoryMap('0x700101', '--- Memory map: ---', '  00710000-00800000: /bin/a (@10000)');
    expect(cutOff.mappings).toMatchObject([{ start: 0x700000, offset: 0 }]);
    const huge = withMemoryMap(
      '0x700101',
      '--- Memory map: ---',
      '00600000-00700000 r-xp 00000000 00:00 0 /anon_hugepage',
      '00700000-00800000 r-xp 00000000 00:00 0 /bin/a',
    );
    expect(huge.mappings).toMatchObject([{ start: 0x700000, filename: '/bin/a' }]);
  });

  it('is where the line says so, and not where a comment names it', () => {
    const line = '1: 16 [1: 16] @ 0x21';
    const profile = withMemoryMap('0x11', '#\t0x10\tMAPPED_LIBRARIES:+0x0\tf.js:1', line);
    expect(samplesIn(profile)).toHaveLength(2);
  });
});

const HEAD: Omit<ProfileHeader, 'sampleTypes' | 'periodType' | 'period'> = {
  defaultSampleType: '',
  timeNanos: 1n,
  durationNanos: 0,
  comments: [],
};
const CONTENTION_HEAD = {
  ...HEAD,
  sampleTypes: CONTENTION_TYPES,
  periodType: count('contentions'),
  period: 1,
};

const anyText = fc.string({ unit: 'binary', maxLength: 12 });
const anyPlace: fc.Arbitrary<PlaceInCode> = fc.record({
  address: fc.maxSafeInteger().map((n) => Math.abs(n) || 1),
  functionName: anyText,
  filename: anyText,
  startLine: fc.nat(),
  line: fc.nat(),
  column: fc.constant(0),
});
const anyStack = fc.array(anyPlace, { minLength: 1, maxLength: 6 });
const anyAmount = fc.nat({ max: 2 ** 31 - 1 });

const reread = (name: string, profile: Profile): Profile =>
  parsed(
    ...finished(legacyText(name, profile, ['# the end']))
      .join('')
      .split('\n'),
  );

/** The sums by stack, since text has no labels for those who read it. */
function sums(samples: readonly { stack: number[]; values: number[] }[]): Record<string, number[]> {
  const byStack: Record<string, number[]> = {};
  for (const { stack, values } of samples) {
    const before = byStack[stack.join(' ')];
    byStack[stack.join(' ')] = before ? before.map((value, i) => value + values[i]!) : values;
  }
  return byStack;
}

describe('what legacyText writes', () => {
  it('comes back, of counts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyStack, anyAmount, fc.dictionary(anyText, anyText, { maxKeys: 3 }))),
        (samples) => {
          const builder = new ProfileBuilder();
          for (const [stack, n, labels] of samples)
            builder.sample(
              stack.map((at) => builder.location(at)),
              [n],
              labels,
            );
          const head = { ...HEAD, sampleTypes: [count('x')], periodType: count('x'), period: 1 };
          const profile = finished(builder.build(head, '/app/main.js'));
          expect(sums(samplesIn(reread('x', profile)))).toEqual(sums(samplesIn(profile)));
        },
      ),
    );
  });

  it.each(['block', 'mutex'])('comes back, of %s', (name) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyStack, anyAmount, anyAmount)), (samples) => {
        const builder = new ProfileBuilder();
        for (const [stack, n, delay] of samples)
          builder.sample(
            stack.map((at) => builder.location(at)),
            [n, delay],
          );
        const profile = finished(builder.build(CONTENTION_HEAD, '/app/main.js'));
        const byDelay = samplesIn(profile).toSorted((a, b) => b.values[1]! - a.values[1]!);
        expect(samplesIn(reread(name, profile))).toEqual(byDelay);
      }),
    );
  });

  it('comes back, of a heap, up to one sample', () => {
    const anySample = fc.tuple(
      anyStack,
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 8, max: 2 ** 26 }),
      fc.boolean(),
    );
    const anyRate = fc.constantFrom(1, 512, 32_768, 524_288);
    fc.assert(
      fc.property(anySample, anyRate, ([stack, sampled, size, hasLabel], period) => {
        const weight = period === 1 ? 1 : 1 / (1 - Math.exp(-size / period));
        const n = Math.round(sampled * weight);
        const builder = new ProfileBuilder();
        const labels = hasLabel ? { bytes: size } : undefined;
        const places = stack.map((at) => builder.location(at));
        builder.sample(places, [n, n * size, n, n * size], labels);
        const head = { ...HEAD, sampleTypes: HEAP_TYPES, periodType: bytes('space'), period };
        const back = reread('heap', finished(builder.build(head, '/app/main.js')));
        expect(back).toMatchObject({ period, sampleTypes: HEAP_TYPES });
        const [sample] = samplesIn(back);
        expect(sample!.stack).toEqual(stack.map(({ address }) => address));
        for (const [i, expected] of [n, n * size, n, n * size].entries()) {
          const oneSample = i % 2 === 0 ? weight : weight * size;
          expect(Math.abs(sample!.values[i]! - expected)).toBeLessThanOrEqual(oneSample + 1);
        }
      }),
    );
  });
});

it('yields often, so that nothing waits for 2,000 samples', () => {
  const records = Array.from({ length: 2000 }, (_, i) => `1 @ 0x${(i + 2).toString(16)} 0x3\n# comment\n\n`);
  const text = `x profile: total 2000\n${records.join('')}`;
  const parts = [...parseLegacy(encoder.encode(text))];
  expect(parts.length).toBeGreaterThan(20);
});

const outcome = (input: Uint8Array): string => {
  try {
    finished(parseLegacy(input));
    return 'a profile';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

describe('what is no profile', () => {
  const HEADERS = [
    'heap profile: 1: 1 [1: 2] @ heap/2\n',
    'x profile: total 1\n',
    '--- contention:\n',
    '--- mutex:\ncycles/second=1\n',
    '--- heapz 1 ---\nresolution = bytes\n',
    '--- heapz 1 ---\nresolution = bytes\n5 1 @ 0x1\n0x1 ',
    '--- contentionz 1 ---\n',
    '--- threadz 1 ---\n',
    '--- Thread 1 (name: a/1) stack: ---\n',
    'x profile: total 1\n--- Memory map: ---\n',
    'x profile: total 1\n--- Memory map: ---\na=b\n',
    '',
  ];
  const TOKENS = [
    '0x1',
    ' ',
    '@',
    '1',
    ':',
    '[',
    ']',
    '\n',
    '=',
    '-',
    '0xffffffffffffffff',
    '99999999999999999999',
  ];
  const SENTENCES = [
    '--- ',
    '--- Memory map: ---\n',
    '1-2 r-xp ',
    '$a',
    '# ',
    '(a:1)',
    '1: 16 [2: 32] @ 0x2\n',
  ];

  const OUTCOMES = /^(?:a profile|unrecognized profile format|malformed profile: .+)$/s;

  it('says so, of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        expect(outcome(input)).toMatch(OUTCOMES);
      }),
    );
    expect(outcome(new Uint8Array(1_000_000).fill(65))).toBe('unrecognized profile format');
  });

  it('says so, of what begins as a profile does', () => {
    const anyHeader = fc.constantFrom(...HEADERS);
    const anyBody = fc.array(fc.oneof(fc.constantFrom(...TOKENS, ...SENTENCES), anyText), { maxLength: 40 });
    fc.assert(
      fc.property(anyHeader, anyBody, (header, body) => {
        expect(outcome(encoder.encode(header + body.join('')))).toMatch(OUTCOMES);
      }),
      { numRuns: 1000 },
    );
  });

  it('says so, of words that begin as CPU samples do', () => {
    const anyWords = fc.array(fc.nat({ max: 5 }), { maxLength: 30 });
    const anyWidth = fc.constantFrom(4 as const, 8 as const);
    fc.assert(
      fc.property(
        anyWords,
        anyWidth,
        fc.boolean(),
        fc.nat({ max: 1 }),
        (words, width, isLittleEndian, language) => {
          const input = binary([0, 3, language, 100, 0, ...words], width, isLittleEndian);
          expect(outcome(input)).toMatch(OUTCOMES);
          expect(outcome(input)).not.toBe('unrecognized profile format');
        },
      ),
    );
  });

  it('takes no time that grows by the square of a line', () => {
    const start = performance.now();
    for (const header of HEADERS) {
      for (const token of ['1', ' ', 'f', '1 ', '1: ', '0x1 ', ' (', ':1', '=', ':', 'heap profile: ']) {
        const line = token.repeat(60_000 / token.length);
        expect(outcome(encoder.encode(`${header}${line}!\n`))).toMatch(OUTCOMES);
      }
    }
    // Half a second here; where it does, one such line takes longer alone.
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('refuses a line that google/pprof would not read', () => {
    const stack = ' 0x1'.repeat(20_000);
    expect(outcome(encoder.encode(`x profile: total 1\n1 @${stack}\n`))).toBe(
      'malformed profile: a line is too long',
    );
  });
});
