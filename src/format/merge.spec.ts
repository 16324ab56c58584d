import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { finished } from './finished.js';
import { Interner } from './interner.js';
import * as operations from './merge.js';
import type { Mapping, Profile, ProfileHeader, ValueType } from './profile.js';
import { ProfileTables } from './profile-tables.js';
import { encodeProfile } from './wire.js';

const merge = (...profiles: Profile[]): Profile => finished(operations.merge(profiles));
const scale = (profile: Profile, factor: number): Profile => finished(operations.scale(profile, factor));
const compact = (profile: Profile): Profile => finished(operations.compact(profile));

const HEADER: ProfileHeader = {
  sampleTypes: [
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ],
  defaultSampleType: '',
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: 0,
  timeNanos: 0n,
  durationNanos: 0,
  comments: [],
};

/** `line`s of `name`s, innermost first. */
interface Place {
  readonly address: number;
  /** Of the profile's mappings, or none. */
  readonly mapping?: number;
  readonly lines: readonly Line[];
}
interface Line {
  readonly name: string;
  readonly systemName?: string;
  readonly filename?: string;
  readonly startLine?: number;
  readonly line?: number;
  readonly column?: number;
}
interface Label {
  readonly key: string;
  readonly text?: string;
  readonly number?: number;
  readonly unit?: string;
}
interface PlainSample {
  readonly stack: readonly Place[];
  readonly values: readonly number[];
  readonly labels?: readonly Label[];
}
interface PlainProfile {
  readonly header?: Partial<ProfileHeader>;
  readonly mappings?: readonly Partial<Mapping>[];
  readonly samples: readonly PlainSample[];
  /** All places, in the order in which the profile has them, also those of no sample. */
  readonly places?: readonly Place[];
}

const MAPPING: Mapping = { start: 0, limit: 0, offset: 0, filename: '', buildId: '', hasFunctions: true };

const at = (name: string, more: Partial<Place> = {}): Place => ({ address: 1, lines: [{ name }], ...more });

const [MAIN, LEAF] = [at('main'), at('leaf')];

const withStack = (...stack: Place[]): PlainSample => ({ stack, values: [1, 1] });
const withLabels = (...labels: Label[]): PlainSample => ({ ...withStack(MAIN), labels });
const withLine = (line: Partial<Line>): PlainSample =>
  withStack(at('f', { lines: [{ name: 'f', ...line }] }));

/** Of one sample. */
const withValues = (...values: number[]): Profile => profileOf({ samples: [{ stack: [MAIN], values }] });

/** Of one sample, in the first of these mappings. */
const inMapping = (mapping: Partial<Mapping>, ...others: Partial<Mapping>[]): Profile =>
  profileOf({
    mappings: [mapping, ...others],
    samples: [{ stack: [at('f', { mapping: 0, address: (mapping.start ?? 0) + 16 })], values: [1, 1] }],
  });

/** Of profiles merged. */
const headerOf = (...headers: Partial<ProfileHeader>[]): ProfileHeader =>
  merge(...headers.map((header) => profileOf({ header, samples: [] })));

describe('merge', () => {
  it('adds up what is the same, whatever ids and order it has, as a map of texts does', () => {
    fc.assert(
      fc.property(fc.array(anyProfile(), { minLength: 1, maxLength: 4 }), (profiles) => {
        const merged = merge(...profiles.map(profileOf));
        const sums = sumsOf(profiles);
        expect(valuesBySample(merged)).toEqual(sums);
        expect(merged.samples.length).toBe(sums.size);
      }),
      { numRuns: 500 },
    );
  });

  it('has each place, function and string once, and none that no sample refers to', () => {
    fc.assert(
      fc.property(fc.array(anyProfile(), { minLength: 1, maxLength: 4 }), (profiles) => {
        const merged = merge(...profiles.map(profileOf));
        const { samples, locations, functions, strings, mappings } = merged;
        expect(unused(locations.length, samples.stack)).toEqual([]);
        expect(unused(functions.length, locations.lineFunction)).toEqual([]);
        expect(unused(mappings.length + 1, locations.mapping, Uint32Array.of(0, 1))).toEqual([]);
        const { name, systemName, filename } = functions;
        const { labelKey, labelText, labelUnit } = samples;
        const texts = [name, systemName, filename, labelKey, labelText, labelUnit, Uint32Array.of(0)];
        expect(unused(strings.length, ...texts)).toEqual([]);
        expect(new Set(strings).size).toBe(strings.length);
        const places = Array.from({ length: locations.length }, (_, i) => placeKey(merged, i));
        expect(new Set(places).size).toBe(places.length);
      }),
    );
  });

  it('comes to the same in any order and in any steps', () => {
    fc.assert(
      fc.property(anyProfile(), anyProfile(), anyProfile(), (...plain) => {
        const [a, b, c] = plain.map(profileOf) as [Profile, Profile, Profile];
        const all = valuesBySample(merge(a, b, c));
        expect(valuesBySample(merge(c, b, a))).toEqual(all);
        expect(valuesBySample(merge(merge(a, b), c))).toEqual(all);
        expect(valuesBySample(merge(a, merge(b, c)))).toEqual(all);
      }),
    );
  });

  it('leaves nothing of a profile less itself but what it says of itself', () => {
    fc.assert(
      fc.property(anyProfile(), (plain) => {
        const header = {
          defaultSampleType: 'cpu',
          period: 7,
          timeNanos: 5n,
          comments: ['a'],
          durationNanos: 3,
        };
        const profile = profileOf({ ...plain, header });
        const nothing = merge(profile, scale(profile, -1));
        expect(nothing).toEqual({
          ...HEADER,
          ...header,
          durationNanos: 6,
          strings: [''],
          mappings: profile.mappings.slice(0, 1),
          functions: expect.objectContaining({ length: 0 }),
          locations: expect.objectContaining({ length: 0 }),
          samples: expect.objectContaining({ length: 0 }),
        });
        expect(nothing.samples.stackStart).toEqual(Uint32Array.of(0));
      }),
    );
  });

  it('changes none of the profiles', () => {
    fc.assert(
      fc.property(anyProfile(), anyProfile(), (...plain) => {
        const profiles = plain.map(profileOf);
        const bytes = (): Uint8Array[] => profiles.map((profile) => finished(encodeProfile(profile)));
        const before = bytes();
        merge(...profiles);
        profiles.forEach((profile) => scale(profile, -1));
        expect(bytes()).toEqual(before);
      }),
    );
  });

  it('keeps 20,000 samples apart that differ in one frame, and finds each again', () => {
    const chain = Array.from({ length: 30 }, (_, i) => at(`frame${i}`));
    const leaves = Array.from({ length: 20_000 }, (_, i) => at(`leaf${i}`));
    const profile = profileOf({
      samples: leaves.map((leaf, i) => ({ stack: [leaf, ...chain], values: [i + 1, 1] })),
    });
    const { samples } = merge(profile, profile);
    expect(samples.length).toBe(20_000);
    expect(samples.values.subarray(0, 4)).toEqual(Float64Array.of(2, 2, 4, 2));
    expect(samples.values.at(-2)).toBe(40_000);
  });

  it('gives the event loop turns', () => {
    const profile = profileOf({
      samples: Array.from({ length: 10_000 }, (_, i) => ({
        stack: [],
        values: [1, 1],
        labels: [{ key: 'i', number: i }],
      })),
    });
    let turns = 0;
    for (const work = operations.merge([profile, profile]); !work.next().done;) turns++;
    expect(turns).toBeGreaterThanOrEqual(100);
  });

  it('has nothing to merge without profiles', () => {
    expect(() => merge()).toThrow('no profiles to merge');
  });
});

describe('what one sample is', () => {
  const samplesOf = (...samples: PlainSample[]): [apart: number, together: number] => {
    const profiles = samples.map((sample) => profileOf({ samples: [sample] }));
    return [merge(...profiles).samples.length, merge(profileOf({ samples })).samples.length];
  };
  const [a, b] = [
    { key: 'a', text: 'x' },
    { key: 'b', number: 1, unit: 'bytes' },
  ];

  it.each<[string, PlainSample, PlainSample]>([
    ['no labels', withLabels(), withLabels()],
    ['labels in another order', withLabels(a, b), withLabels(b, a)],
    [
      'labels of a key that is both',
      withLabels(a, { key: 'a', number: 1 }),
      withLabels({ key: 'a', number: 1 }, a),
    ],
    ['an empty stack', withStack(), withStack()],
    ['another value', withStack(MAIN), { stack: [MAIN], values: [5, -3] }],
  ])('is the same: %s', (_, one, other) => {
    expect(samplesOf(one, other)).toEqual([1, 1]);
  });

  it.each<[string, PlainSample, PlainSample]>([
    ['a label more', withLabels(a), withLabels(a, b)],
    ['another key', withLabels(a), withLabels({ ...a, key: 'b' })],
    ['another text', withLabels(a), withLabels({ ...a, text: 'y' })],
    ['another number', withLabels(b), withLabels({ ...b, number: 2 })],
    ['a number that is as good as the same', withLabels(b), withLabels({ ...b, number: 1 + 2 ** 32 })],
    ['another unit', withLabels(b), withLabels({ ...b, unit: 'ms' })],
    ['no unit', withLabels(b), withLabels({ ...b, unit: '' })],
    ['a number instead of a text', withLabels({ key: 'a', text: 'x' }), withLabels({ key: 'a', number: 1 })],
    [
      'values of one key in another order',
      withLabels(a, { key: 'a', text: 'y' }),
      withLabels({ key: 'a', text: 'y' }, a),
    ],
    [
      'labels swapped',
      withLabels(a, { key: 'b', text: 'y' }),
      withLabels({ ...a, text: 'y' }, { key: 'b', text: 'x' }),
    ],
    ['a stack the other way round', withStack(MAIN, LEAF), withStack(LEAF, MAIN)],
    ['a frame more', withStack(MAIN), withStack(MAIN, MAIN)],
    ['another address', withStack(MAIN), withStack({ ...MAIN, address: 2 })],
    ['another line', withLine({}), withLine({ line: 2 })],
    ['another column', withLine({}), withLine({ column: 2 })],
    ['another begin of the function', withLine({}), withLine({ startLine: 2 })],
    ['another file', withLine({}), withLine({ filename: 'b.js' })],
    ['another name', withLine({}), withLine({ name: 'g' })],
    ['another system name', withLine({}), withLine({ systemName: 'f' })],
    [
      'names that are the same in a row',
      withLine({ name: 'a', systemName: 'b', filename: '' }),
      withLine({ name: 'a', systemName: '', filename: 'b' }),
    ],
    [
      'lines in one place and in two',
      withStack(at('', { lines: [{ name: 'f' }, { name: 'g' }] })),
      withStack(at('f'), at('g')),
    ],
  ])('is another one: %s', (_, one, other) => {
    expect(samplesOf(one, other)).toEqual([2, 2]);
  });

  it('is one that adds up to zero in all values, not in one', () => {
    expect(merge(withValues(1, 5), withValues(-1, -4)).samples.values).toEqual(Float64Array.of(0, 1));
    expect(merge(withValues(1, 5), withValues(-1, -5)).samples.length).toBe(0);
    expect(merge(withValues(0, 0)).samples.length).toBe(0);
    expect(merge(withValues(2, 5), withValues(-2, -5), withValues(0, 7)).samples.values).toEqual(
      Float64Array.of(0, 7),
    );
  });
});

describe('mappings', () => {
  it.each<[string, Partial<Mapping>, Partial<Mapping>]>([
    ['file and size', { filename: 'a', limit: 5000 }, { filename: 'a', limit: 5000 }],
    ['size in pages', { filename: 'a', limit: 4097 }, { filename: 'a', limit: 8192 }],
    ['build id, from another file', { filename: 'a', buildId: 'x' }, { filename: 'b', buildId: 'x' }],
    [
      'file, elsewhere in memory',
      { filename: 'a', limit: 4096 },
      { filename: 'a', start: 8192, limit: 12_288 },
    ],
    ['neither file nor build id', {}, {}],
  ])('are one by the same %s', (_, one, other) => {
    const merged = merge(inMapping(one), inMapping(other));
    expect(merged.mappings).toEqual([{ ...MAPPING, ...one }]);
    expect(merged.samples.length).toBe(1);
    expect(merged.locations.address).toEqual(Float64Array.of((one.start ?? 0) + 16));
  });

  it.each<[string, Partial<Mapping>, Partial<Mapping>]>([
    ['file', { filename: 'a' }, { filename: 'b' }],
    ['build id', { filename: 'a', buildId: 'x' }, { filename: 'a', buildId: 'y' }],
    ['offset', { filename: 'a' }, { filename: 'a', offset: 4096 }],
    ['size in pages', { filename: 'a', limit: 4096 }, { filename: 'a', limit: 4097 }],
  ])('are two by another %s', (_, one, other) => {
    const merged = merge(inMapping(one), inMapping(other));
    expect(merged.mappings).toEqual([
      { ...MAPPING, ...one },
      { ...MAPPING, ...other },
    ]);
    expect(merged.locations.mapping).toEqual(Uint32Array.of(1, 2));
    expect(merged.samples.length).toBe(2);
  });

  it('stay the first, which is the program, even if nothing refers to it; others go', () => {
    const [program, library, used] = [{ filename: 'program' }, { filename: 'library' }, { filename: 'used' }];
    const profile = profileOf({
      mappings: [program, library, used],
      samples: [
        { stack: [at('f', { mapping: 1 })], values: [0, 0] },
        { stack: [at('f', { mapping: 2 }), at('g')], values: [1, 0] },
      ],
    });
    const merged = compact(profile);
    expect(merged.mappings.map(({ filename }) => filename)).toEqual(['program', 'used']);
    expect(merged.locations.mapping).toEqual(Uint32Array.of(2, 0));
  });

  it('of a later profile come first if the first one has none', () => {
    const merged = merge(profileOf({ samples: [] }), inMapping({ filename: 'a' }, { filename: 'b' }));
    expect(merged.mappings.map(({ filename }) => filename)).toEqual(['a']);
  });
});

describe('the header of merged profiles', () => {
  it.each<[string, Partial<ProfileHeader>[], Partial<ProfileHeader>]>([
    ['the earliest time', [{ timeNanos: 5n }, { timeNanos: 3n }, { timeNanos: 4n }], { timeNanos: 3n }],
    ['no time that is 0', [{ timeNanos: 0n }, { timeNanos: 5n }, { timeNanos: 0n }], { timeNanos: 5n }],
    ['durations together', [{ durationNanos: 5 }, { durationNanos: 3 }], { durationNanos: 8 }],
    ['the longest period', [{ period: 5 }, { period: 7 }, { period: 0 }], { period: 7 }],
    [
      'all comments once',
      [{ comments: ['b', 'a', 'b'] }, { comments: [] }, { comments: ['c', 'a'] }],
      { comments: ['b', 'a', 'c'] },
    ],
    [
      'the first default sample type',
      [{ defaultSampleType: '' }, { defaultSampleType: 'cpu' }, { defaultSampleType: 'samples' }],
      { defaultSampleType: 'cpu' },
    ],
  ])('has %s', (_, headers, expected) => {
    expect(headerOf(...headers)).toMatchObject({ ...HEADER, ...expected });
  });

  it.each<[string, Partial<ProfileHeader>, string]>([
    [
      'another period type',
      { periodType: type('wall', 'nanoseconds') },
      'incompatible period types cpu/nanoseconds and wall/nanoseconds',
    ],
    [
      'another unit of the period type',
      { periodType: type('cpu', 'ms') },
      'incompatible period types cpu/nanoseconds and cpu/ms',
    ],
    [
      'fewer sample types',
      { sampleTypes: HEADER.sampleTypes.slice(0, 1) },
      'incompatible sample types samples/count, cpu/nanoseconds and samples/count',
    ],
    [
      'another order',
      { sampleTypes: HEADER.sampleTypes.toReversed() },
      'incompatible sample types samples/count, cpu/nanoseconds and cpu/nanoseconds, samples/count',
    ],
    [
      'another unit',
      { sampleTypes: [type('samples', 'count'), type('cpu', 'ms')] },
      'incompatible sample types samples/count, cpu/nanoseconds and samples/count, cpu/ms',
    ],
    [
      'no sample types',
      { sampleTypes: [] },
      'incompatible sample types samples/count, cpu/nanoseconds and none',
    ],
  ])('is none for %s', (_, header, message) => {
    expect(() => headerOf({}, {}, header)).toThrow(new Error(message));
  });
});

function type(type: string, unit: string): ValueType {
  return { type, unit };
}

describe('scale', () => {
  it.each([
    [[10, -4], -1, [-10, 4]],
    [[10, -4], 0.5, [5, -2]],
    [[5, -5], 0.5, [3, -3]],
    [[0, 1], -1, [0, -1]],
    [[1, -1], 0.2, [0, 0]],
  ])('makes %j times %d %j, half rounded away from zero, without -0', (values, factor, expected) => {
    const profile = withValues(...values);
    const scaled = scale(profile, factor);
    expect([...scaled.samples.values]).toEqual(expected);
    expect({ ...scaled, samples: undefined }).toEqual({ ...profile, samples: undefined });
    expect({ ...scaled.samples, values: undefined }).toEqual({ ...profile.samples, values: undefined });
  });
});

describe('compact', () => {
  it('changes nothing but what it leaves out, however often', () => {
    fc.assert(
      fc.property(anyProfile(), (plain) => {
        const once = compact(profileOf(plain));
        const twice = compact(once);
        expect(valuesBySample(once)).toEqual(sumsOf([plain]));
        expect(valuesBySample(twice)).toEqual(valuesBySample(once));
        expect(sizesOf(twice)).toEqual(sizesOf(once));
      }),
    );
  });

  it('leaves out samples that are zero, and places, functions and strings of no sample', () => {
    const profile = profileOf({
      places: [at('nowhere')],
      samples: [
        {
          stack: [LEAF, MAIN],
          values: [0, 0],
          labels: [{ key: 'gone', text: 'gone too', unit: 'and this' }],
        },
        { stack: [MAIN], values: [1, 2], labels: [{ key: 'kept', text: 'also' }] },
      ],
    });
    expect(profile.strings).toContain('leaf');
    const { samples, locations, functions, strings } = compact(profile);
    expect([samples.length, locations.length, functions.length]).toEqual([1, 1, 1]);
    expect([...strings].sort()).toEqual(['', 'also', 'kept', 'main', 'main.js']);
  });
});

/** Of few names, addresses and labels, so that many samples are the same. Mappings are of one file, elsewhere each time. */
function anyProfile(): fc.Arbitrary<PlainProfile> {
  const oneOf = fc.constantFrom;
  const line = fc.record({
    name: oneOf('f', 'g'),
    systemName: oneOf('', 'f'),
    filename: oneOf('a.js', 'f'),
    startLine: oneOf(0, 1),
    line: oneOf(1, 2),
    column: oneOf(0, 1),
  });
  const label = fc.oneof(
    fc.record({ key: oneOf('a', 'b'), text: oneOf('x', 'y', 'a') }),
    fc.record({ key: oneOf('a', 'b'), number: oneOf(1, -1, 1 + 2 ** 32), unit: oneOf('', 'x') }),
  );
  const start = fc.nat(4).map((page) => page * 4096);
  const value = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 }));
  return start.chain((start) => {
    const place = fc.record({
      address: oneOf(16, 17).map((address) => start + address),
      mapping: oneOf(0, 1, undefined),
      lines: fc.array(line, { maxLength: 2 }),
    });
    return fc.array(place, { minLength: 1, maxLength: 5 }).chain((places) =>
      fc.record({
        mappings: fc.constant(
          ['program', 'library'].map((filename) => ({ filename, start, limit: start + 5000 })),
        ),
        places: fc.shuffledSubarray(places),
        samples: fc.array(
          fc.record({
            stack: fc.array(oneOf(...places), { maxLength: 3 }),
            values: fc.tuple(value, value),
            labels: fc.array(label, { maxLength: 3 }),
          }),
          { maxLength: 12 },
        ),
      }),
    );
  });
}

function profileOf({ header, mappings = [], samples, places = [] }: PlainProfile): Profile {
  const tables = new ProfileTables();
  const strings = new Interner();
  const text = (one = ''): number => strings.idOf(one);
  text();
  const locations = new Map<Place, number>();
  const functions = new Map<string, number>();
  const functionOf = ({ name, systemName, filename = 'main.js', startLine = 0 }: Line): number =>
    once(functions, JSON.stringify([name, systemName, filename, startLine]), () =>
      tables.addFunction(text(name), text(systemName), text(filename), startLine),
    );
  const locationOf = (place: Place): number =>
    once(locations, place, () => {
      const index = tables.addLocation(place.address, (place.mapping ?? -1) + 1);
      for (const line of place.lines) tables.addLine(functionOf(line), line.line ?? 0, line.column ?? 0);
      return index;
    });
  places.forEach(locationOf);
  for (const { stack, values, labels = [] } of samples) {
    tables.addSample();
    for (const place of stack) tables.samples.stack.push(locationOf(place));
    for (const value of values) tables.samples.values.push(value);
    for (const label of labels)
      tables.addLabel(text(label.key), text(label.text), label.number ?? 0, text(label.unit));
  }
  const whole = mappings.map((mapping) => ({ ...MAPPING, ...mapping }));
  return finished(tables.build({ ...HEADER, ...header }, strings.all, whole));
}

function once<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  if (!known.has(key)) known.set(key, make());
  return known.get(key)!;
}

/** What merging should come to: by the text of a sample its values, without those that are zero. */
function sumsOf(profiles: readonly PlainProfile[]): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  for (const { samples, mappings = [] } of profiles) {
    for (const { stack, values, labels = [] } of samples) {
      const places = stack.map(({ address, mapping, lines }) =>
        JSON.stringify([
          address - (mappings[mapping ?? -1]?.start ?? 0),
          mappings[mapping ?? -1]?.filename ?? '',
          lines.map(
            ({ name, systemName = '', filename = 'main.js', startLine = 0, line = 0, column = 0 }) => [
              name,
              systemName,
              filename,
              startLine,
              line,
              column,
            ],
          ),
        ]),
      );
      const key = keyOf(places, labels);
      const sum = sums.get(key) ?? values.map(() => 0);
      sums.set(
        key,
        sum.map((value, i) => value + values[i]!),
      );
    }
  }
  return new Map([...sums].filter(([, sum]) => sum.some((value) => value !== 0)));
}

/** By the text of a sample its values, as {@link sumsOf} has them. */
function valuesBySample(profile: Profile): Map<string, number[]> {
  const { samples, sampleTypes, strings } = profile;
  const width = sampleTypes.length;
  const places = Array.from({ length: profile.locations.length }, (_, i) => placeKey(profile, i));
  return new Map(
    Array.from({ length: samples.length }, (_, i) => {
      const stack = samples.stack.subarray(samples.stackStart[i], samples.stackStart[i + 1]);
      const labels = indexesOf(samples.labelStart, i).map((label) => ({
        key: strings[samples.labelKey[label]!]!,
        text: strings[samples.labelText[label]!]!,
        number: samples.labelNumber[label]!,
        unit: strings[samples.labelUnit[label]!]!,
      }));
      const key = keyOf(
        Array.from(stack, (location) => places[location]!),
        labels,
      );
      return [key, [...samples.values.subarray(i * width, (i + 1) * width)]];
    }),
  );
}

function placeKey({ locations, functions, mappings, strings }: Profile, location: number): string {
  const mapping = mappings[locations.mapping[location]! - 1];
  return JSON.stringify([
    locations.address[location]! - (mapping?.start ?? 0),
    mapping?.filename ?? '',
    indexesOf(locations.lineStart, location).map((line) => {
      const fn = locations.lineFunction[line]!;
      return [
        ...[functions.name, functions.systemName, functions.filename].map((column) => strings[column[fn]!]),
        functions.startLine[fn],
        locations.lineNumber[line],
        locations.lineColumn[line],
      ];
    }),
  ]);
}

function sizesOf({ samples, locations, functions, mappings, strings }: Profile): number[] {
  return [samples, locations, functions, mappings, strings].map(({ length }) => length);
}

/** The indexes below `count` that no column has. */
function unused(count: number, ...columns: Uint32Array[]): number[] {
  const used = new Set(columns.flatMap((column) => [...column]));
  return Array.from({ length: count }, (_, i) => i).filter((i) => !used.has(i));
}

function indexesOf(starts: Uint32Array, i: number): number[] {
  return Array.from({ length: starts[i + 1]! - starts[i]! }, (_, at) => starts[i]! + at);
}

/** As google/pprof sees it: by key the texts, and by key the numbers with their units. */
function keyOf(places: readonly string[], labels: readonly Label[]): string {
  const texts = new Map<string, string[]>();
  for (const { key, text = '', number = 0, unit = '' } of labels) {
    const kind = `${key} ${text === '' ? 'numbers' : 'texts'}`;
    texts.set(kind, [...(texts.get(kind) ?? []), `${text} ${number} ${unit}`]);
  }
  return JSON.stringify([places, [...texts].sort(([a], [b]) => (a < b ? -1 : 1))]);
}
