import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as format from 'pprof-format';
import { decodeProfile } from './decode.js';
import { finished } from './finished.js';
import type { Profile } from './profile.js';
import { encodeProfile } from './wire.js';

const decode = (bytes: Uint8Array | readonly number[]): Profile =>
  finished(decodeProfile(Uint8Array.from(bytes)));
const encode = (profile: Profile): Uint8Array => finished(encodeProfile(profile));

describe('decodeProfile', () => {
  it('reads what encodeProfile writes, whatever is in it', () => {
    fc.assert(
      fc.property(anyProfile(), (profile) => {
        expect(decode(encode(profile))).toStrictEqual(profile);
      }),
    );
  });

  it.each<[string, (index: number) => number]>([
    ['as indexes', (index) => index + 1],
    ['from any number on', (index) => index + 1000],
    ['with gaps', (index) => index * 7 + 3],
    ['in order, then with a gap', (index) => (index < 2 ? index + 1 : index + 10)],
    ['in reverse order', (index) => 1000 - index],
  ])('reads what an encoder that is not ours writes, with ids %s', (_, idOf) => {
    fc.assert(
      fc.property(anyProfile(), (profile) => {
        fc.pre(hasNoEmptyType(profile));
        expect(decode(writtenByPprofFormat(profile, idOf))).toStrictEqual(profile);
      }),
    );
  });

  it('reads what encodeProfile writes, at the ends of what a number of bytes has room for', () => {
    const values = [7, 14, 21, 28, 31, 32, 35, 53].flatMap((bits) => [
      2 ** bits - 1,
      2 ** bits,
      -(2 ** bits),
      1 - 2 ** bits,
    ]);
    const profile = decode(
      bytesOf(
        values.map(() => message(1)),
        message(2, packed(2, ...values)),
      ),
    );
    expect([...profile.samples.values]).toEqual(values);
    expect(decode(encode(profile))).toStrictEqual(profile);
  });

  it('reads what encodeProfile writes, a stack of 70,000 frames', () => {
    const stack = Array.from({ length: 70_000 }, (_, i) => (i % 3) + 1);
    const locations = [1, 2, 3].map((id) => message(4, int(1, id)));
    const profile = decode(bytesOf(message(1), locations, message(2, packed(1, ...stack), packed(2, 1))));
    expect([...profile.samples.stack]).toEqual(stack.map((id) => id - 1));
    expect(decode(encode(profile))).toStrictEqual(profile);
  });

  it('gives the event loop turns', () => {
    const samples = Array.from({ length: 10_000 }, () => message(2, packed(1, 5), packed(2, 7)));
    let turns = 0;
    for (const work = decodeProfile(Uint8Array.from(bytesOf(small(), samples))); !work.next().done;) turns++;
    expect(turns).toBeGreaterThanOrEqual(50);
  });
});

describe('decodeProfile on bytes by hand', () => {
  const SMALL = decode(bytesOf(small()));

  it('reads each field', () => {
    expect(SMALL).toStrictEqual({
      sampleTypes: [{ type: 'cpu', unit: 'nanoseconds' }],
      defaultSampleType: 'cpu',
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 100,
      timeNanos: 1_764_000_000_123_456_789n,
      durationNanos: 2 ** 40,
      comments: ['leaf', 'root'],
      strings: ['', 'cpu', 'nanoseconds', 'leaf', 'root', '/app', 'route', '/a', 'bytes'],
      mappings: [
        { start: 4096, limit: 8192, offset: 12, filename: '/app', buildId: 'leaf', hasFunctions: true },
      ],
      functions: {
        length: 2,
        name: Uint32Array.of(3, 4),
        systemName: Uint32Array.of(0, 3),
        filename: Uint32Array.of(5, 5),
        startLine: Uint32Array.of(10, 0),
      },
      locations: {
        length: 2,
        address: Float64Array.of(4097, 4098),
        mapping: Uint32Array.of(1, 0),
        lineStart: Uint32Array.of(0, 2, 3),
        lineFunction: Uint32Array.of(0, 1, 1),
        lineNumber: Uint32Array.of(11, 2, 3),
        lineColumn: Uint32Array.of(4, 0, 0),
      },
      samples: {
        length: 2,
        stackStart: Uint32Array.of(0, 2, 3),
        stack: Uint32Array.of(0, 1, 1),
        values: Float64Array.of(7, -1),
        labelStart: Uint32Array.of(0, 2, 2),
        labelKey: Uint32Array.of(6, 8),
        labelText: Uint32Array.of(7, 0),
        labelNumber: Float64Array.of(0, 16),
        labelUnit: Uint32Array.of(0, 8),
      },
    } satisfies Profile);
  });

  it('reads tables in any order', () => {
    const fields = small();
    const kinds = [...new Set(fields.map(kindOf))];
    const order = fc.shuffledSubarray(kinds, { minLength: kinds.length });
    fc.assert(
      fc.property(order, (order) => {
        const sorted = fields.toSorted((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)));
        expect(decode(bytesOf(sorted))).toStrictEqual(SMALL);
      }),
    );
  });

  it('reads repeated fields that are not packed, or packed in pieces', () => {
    const one = decode(
      bytesOf(
        small(),
        message(2, int(1, 5), packed(2, 7), int(1, 3), int(1, 5)),
        int(13, 3),
        packed(13, 3, 5),
      ),
    );
    expect([...one.samples.stack.subarray(3)]).toEqual([0, 1, 0]);
    expect(one.comments).toEqual(['leaf', 'root', 'leaf', 'leaf', '/app']);
  });

  it.each([
    ['a varint', int(20, 2n ** 64n - 1n)],
    ['64 bits', [...varint((20 << 3) | 1), ...Array.from<number>({ length: 8 }).fill(255)]],
    ['bytes', text(20, 'more')],
    ['32 bits', [...varint((20 << 3) | 5), ...Array.from<number>({ length: 4 }).fill(255)]],
    ['the largest number that a field can have', int(2 ** 29 - 1, 1)],
  ])('passes over unknown fields: %s', (_, unknown) => {
    expect(decode(bytesOf(small(unknown), unknown))).toStrictEqual(SMALL);
  });

  it('passes over what the model has no place for', () => {
    const [dropFrames, keepFrames, docUrl] = [int(7, 3), int(8, 3), int(15, 3)];
    expect(decode(bytesOf([dropFrames, keepFrames], small(), [docUrl]))).toStrictEqual(SMALL);
  });

  it('leaves out a label that says nothing', () => {
    const { samples } = decode(bytesOf(small(), message(2, packed(2, 1), message(3, int(1, 6)))));
    expect([...samples.labelStart]).toEqual([0, 2, 2, 2]);
  });

  it('takes any 64 bits as ids', () => {
    const ids = [2 ** 31 + 1, 2 ** 31, 2n ** 32n + 1n, 1, 2n ** 60n, 2n ** 60n + 1n, 0xffff_ffff_8100_0000n];
    const { samples, locations } = decode(
      bytesOf(
        ids.map((id) => message(5, int(1, id))),
        ids.map((id, i) => message(4, int(1, id), int(3, i), message(4, int(1, id)))),
        message(1),
        message(2, packed(1, ...ids.toReversed()), packed(2, 1)),
      ),
    );
    expect([...samples.stack]).toEqual([6, 5, 4, 3, 2, 1, 0]);
    expect([...locations.lineFunction]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('takes numbers of 64 bits as near as it can, and writes them as such', () => {
    const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, -(2n ** 53n) - 1n, -1n, 2n ** 32n];
    const kernel = 0xffff_ffff_8100_0000n;
    const profile = decode(
      bytesOf(
        values.map(() => message(1)),
        message(2, packed(2, ...values)),
        message(3, int(1, 1), int(2, kernel), int(3, 2n ** 64n - 1n)),
        message(4, int(1, 1), int(2, 1), int(3, kernel + 4096n)),
      ),
    );
    expect([...profile.samples.values]).toEqual([
      2 ** 63 - 1024, // the largest double that is an int64
      -(2 ** 63),
      2 ** 53,
      -(2 ** 53),
      -1,
      2 ** 32,
    ]);
    const { location, mapping } = format.Profile.decode(encode(profile));
    expect(unsigned(location[0]!.address)).toBe(kernel + 4096n);
    expect(unsigned(mapping[0]!.memoryStart)).toBe(kernel);
    expect(unsigned(mapping[0]!.memoryLimit)).toBe(2n ** 64n - 1n);
    expect(decode(encode(profile))).toStrictEqual(profile);
  });

  it('takes a line that is none as unknown', () => {
    const { locations, functions } = decode(
      bytesOf(
        message(5, int(1, 1), int(5, -2)),
        message(4, int(1, 1), message(4, int(1, 1), int(2, -1), int(3, 2 ** 32))),
      ),
    );
    expect([...locations.lineNumber, ...locations.lineColumn, ...functions.startLine]).toEqual([0, 0, 0]);
  });

  it('reads numbers that are written longer than they need', () => {
    const { period } = decode([...int(12, 0).slice(0, 1), 0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0]);
    expect(period).toBe(5);
  });
});

describe('decodeProfile on what is no profile', () => {
  const SMALL = encode(decode(bytesOf(small())));
  const without = (...kinds: number[]): number[] =>
    bytesOf(small().filter((field) => !kinds.includes(kindOf(field))));
  const withMore = (...fields: number[][]): number[] => bytesOf(small(), ...fields);

  it.each([
    ['nothing', [], 'it is empty'],
    ['a first string that is not empty', text(6, 'x'), 'the first string is not empty'],
    ['no strings', without(6), 'there is no string 1'],
    [
      'the name of a function that is nowhere',
      withMore(message(5, int(1, 1), int(2, 9))),
      'there is no string 9',
    ],
    [
      'the name of a function far out',
      withMore(message(5, int(1, 1), int(2, 2n ** 32n + 3n))),
      'no string 4294967299',
    ],
    [
      'the file of a mapping that is nowhere',
      withMore(message(3, int(1, 1), int(5, 9))),
      'there is no string 9',
    ],
    ['a comment that is nowhere', withMore(int(13, -1)), 'there is no string -1'],
    [
      'a label that is nowhere',
      withMore(message(2, packed(2, 1), message(3, int(1, 2n ** 32n), int(2, 1)))),
      'there is no string 4294967296',
    ],
    ['no functions', without(5), 'it refers to a function that it does not have'],
    ['no locations', without(4), 'it refers to a location that it does not have'],
    ['no mappings', without(3), 'it refers to a mapping that it does not have'],
    [
      'a line without a function',
      withMore(message(4, int(1, 1), message(4, int(2, 1)))),
      'it refers to a function',
    ],
    ['the location 0', withMore(message(2, packed(1, 0), packed(2, 1))), 'it refers to a location'],
    ['a location without an id', withMore(message(4, int(3, 1))), 'a location has no id'],
    ['a function without an id', withMore(message(5, int(2, 1))), 'a function has no id'],
    ['a mapping without an id', withMore(message(3, int(2, 1))), 'a mapping has no id'],
    ['two locations of one id', withMore(message(4, int(1, 5))), 'two locations have the same id'],
    ['two functions of one id', withMore(message(5, int(1, 70))), 'two functions have the same id'],
    ['two mappings of one id', withMore(message(3, int(1, 9))), 'two mappings have the same id'],
    [
      'two functions of the first id',
      [...message(5, int(1, 1)), ...message(5, int(1, 1))],
      'two functions have the same id',
    ],
    ['samples without sample types', without(1), 'another number of values than there are sample types'],
    ['samples unlike each other', withMore(message(2, packed(2, 1, 2))), 'different numbers of values'],
    ['two profiles in one', [...without(2, 3, 4, 5), ...without(2, 3, 4, 5)], 'two profiles in one'],
    ['a text instead of a number', text(12, 'x'), 'a field of an unexpected kind'],
    ['a number instead of a message', int(2, 1), 'a field of an unexpected kind'],
    ['32 bits instead of a number', [(9 << 3) | 5, 1, 2, 3, 4], 'a field of an unexpected kind'],
    ['half of a tag', [(20 << 3) | 3], 'it ends too early'],
    ['a group', [...varint((20 << 3) | 3), 0], 'a field of an unknown kind'],
    ['a length far out', [...varint((6 << 3) | 2), ...varint(2 ** 31)], 'it ends too early'],
    ['a length below zero', [...varint((6 << 3) | 2), ...varint(-5)], 'it ends too early'],
    ['64 bits cut short', [...varint((20 << 3) | 1), 1, 2, 3], 'it ends too early'],
    [
      'a number without an end',
      [12 << 3, ...Array.from<number>({ length: 11 }).fill(255)],
      'more than ten bytes',
    ],
    [
      'a sample that ends within a field',
      withMore([...varint((2 << 3) | 2), 3, ...packed(1, 5, 5, 5, 5)]),
      'a field is longer than what it is in',
    ],
    [
      'a label that ends within a number',
      withMore(message(2, [(3 << 3) | 2, 2, 1 << 3, 0x86, 0x00])),
      'a field is longer than what it is in',
    ],
    [
      'packed numbers that end within a number',
      withMore(message(2, [(1 << 3) | 2, 1, 0x85, 0x00])),
      'a field is longer than what it is in',
    ],
  ])('says what is wrong: %s', (_, bytes, message) => {
    expect(() => decode(bytes)).toThrow(new RegExp(`^malformed profile: .*${message}`));
  });

  it('says so wherever a profile is cut off', () => {
    for (let length = 0; length < SMALL.length; length++) {
      expect(() => decode(SMALL.subarray(0, length))).toThrow(/^malformed profile: /);
    }
  });

  const changes = fc.array(fc.tuple(fc.nat(SMALL.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  const changed = changes.map((changes) => {
    const bytes = SMALL.slice();
    for (const [at, byte] of changes) bytes[at] = byte;
    return bytes;
  });

  it.each([
    ['any bytes', fc.uint8Array({ maxLength: 200 })],
    ['a profile with any bytes changed', changed],
  ])('gives an error or a profile that is whole: %s', (_, anyBytes) => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        for (const profile of profilesIn(bytes)) {
          expect(hasIndexesWithin(profile)).toBe(true);
          expect(decode(encode(profile))).toStrictEqual(profile);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** None if decoding says that there is none. */
function profilesIn(bytes: Uint8Array): Profile[] {
  try {
    return [decode(bytes)];
  } catch (error) {
    if ((error as Error).message.startsWith('malformed profile: ')) return [];
    throw error;
  }
}

function hasIndexesWithin({ samples, locations, functions, mappings, strings }: Profile): boolean {
  const { name, systemName, filename } = functions;
  const texts = [name, systemName, filename, samples.labelKey, samples.labelText, samples.labelUnit];
  return (
    samples.stack.every((location) => location < locations.length) &&
    locations.lineFunction.every((fn) => fn < functions.length) &&
    locations.mapping.every((mapping) => mapping <= mappings.length) &&
    texts.every((column) => column.every((text) => text < strings.length))
  );
}

/** With every field that the model has, ids that are no indexes, and `unknown` in each message. */
function small(unknown: number[] = []): number[][] {
  const of = (field: number, ...parts: number[][]): number[] => message(field, unknown, ...parts, unknown);
  return [
    of(1, int(1, 1), int(2, 2)),
    of(
      2,
      packed(1, 5, 3),
      packed(2, 7),
      of(3, int(1, 6), int(2, 7)),
      of(3, int(1, 8), int(3, 16), int(4, 8)),
    ),
    of(2, packed(1, 3), packed(2, -1)),
    of(3, int(1, 9), int(2, 4096), int(3, 8192), int(4, 12), int(5, 5), int(6, 3), int(7, 1), int(8, 1)),
    of(
      4,
      int(1, 5),
      int(2, 9),
      int(3, 4097),
      of(4, int(1, 70), int(2, 11), int(3, 4)),
      of(4, int(1, 2), int(2, 2)),
      int(5, 1),
    ),
    of(4, int(1, 3), int(3, 4098), of(4, int(1, 2), int(2, 3))),
    of(5, int(1, 70), int(2, 3), int(4, 5), int(5, 10)),
    of(5, int(1, 2), int(2, 4), int(3, 3), int(4, 5)),
    int(9, 1_764_000_000_123_456_789n),
    int(10, 2 ** 40),
    of(11, int(1, 1), int(2, 2)),
    int(12, 100),
    packed(13, 3, 4),
    int(14, 1),
    ...['', 'cpu', 'nanoseconds', 'leaf', 'root', '/app', 'route', '/a', 'bytes'].map((one) => text(6, one)),
  ];
}

function bytesOf(...fields: (readonly number[] | readonly (readonly number[])[])[]): number[] {
  return fields.flat(2);
}

/** The number of a field up to 15. */
function kindOf([tag]: readonly number[]): number {
  return tag! >> 3;
}

function unsigned(value: number | bigint): bigint {
  return BigInt.asUintN(64, BigInt(value));
}

function varint(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = unsigned(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

function int(field: number, value: number | bigint): number[] {
  return [...varint(BigInt(field) << 3n), ...varint(value)];
}

function message(field: number, ...parts: (readonly number[])[]): number[] {
  const content = parts.flat();
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
}

function packed(field: number, ...values: (number | bigint)[]): number[] {
  return message(field, values.flatMap(varint));
}

function text(field: number, value: string): number[] {
  return message(field, [...new TextEncoder().encode(value)]);
}

function anyProfile(): fc.Arbitrary<Profile> {
  const string = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
    fc.constant('\uFEFF with a mark'),
  );
  return fc.uniqueArray(string, { maxLength: 12 }).chain((strings) => profileWith(['', ...strings]));
}

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;

function profileWith(strings: readonly string[]): fc.Arbitrary<Profile> {
  const string = fc.constantFrom(...strings);
  const index = fc.nat(strings.length - 1);
  const column = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const number = fc.oneof(fc.integer(), fc.maxSafeInteger());
  const type = record({ type: string, unit: string });
  const header = record({
    sampleTypes: fc.array(type, { minLength: 1, maxLength: 4 }),
    defaultSampleType: string,
    periodType: type,
    period: number,
    timeNanos: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    durationNanos: number,
    comments: fc.array(string, { maxLength: 3 }),
  });
  const mapping = record({
    start: number,
    limit: number,
    offset: number,
    filename: string,
    buildId: string,
    hasFunctions: fc.boolean(),
  });
  const fn = record({ name: index, systemName: index, filename: index, startLine: column });
  const line = record({ lineFunction: fc.nat(), lineNumber: column, lineColumn: column });
  const location = record({ address: number, mapping: fc.nat(), lines: fc.array(line, { maxLength: 3 }) });
  const label = record({ labelKey: index, labelText: index, labelNumber: number, labelUnit: index }).filter(
    ({ labelText, labelNumber, labelUnit }) => labelText !== 0 || labelNumber !== 0 || labelUnit !== 0,
  );
  const sample = record({
    stack: fc.array(fc.nat(), { maxLength: 200 }),
    values: fc.tuple(number, number, number, number),
    labels: fc.array(label, { maxLength: 3 }),
  });
  return record({
    header,
    mappings: fc.array(mapping, { maxLength: 3 }),
    functions: fc.array(fn, { minLength: 1, maxLength: 9 }),
    locations: fc.array(location, { minLength: 1, maxLength: 9 }),
    samples: fc.array(sample, { maxLength: 9 }),
  }).map(({ header, mappings, functions, locations, samples }) => {
    const lines = locations.flatMap(({ lines }) => lines);
    const labels = samples.flatMap(({ labels }) => labels);
    return {
      ...header,
      strings,
      mappings,
      functions: {
        length: functions.length,
        name: Uint32Array.from(functions, ({ name }) => name),
        systemName: Uint32Array.from(functions, ({ systemName }) => systemName),
        filename: Uint32Array.from(functions, ({ filename }) => filename),
        startLine: Uint32Array.from(functions, ({ startLine }) => startLine),
      },
      locations: {
        length: locations.length,
        address: Float64Array.from(locations, ({ address }) => address),
        mapping: Uint32Array.from(locations, ({ mapping }) => mapping % (mappings.length + 1)),
        lineStart: startsOf(locations.map(({ lines }) => lines)),
        lineFunction: Uint32Array.from(lines, ({ lineFunction }) => lineFunction % functions.length),
        lineNumber: Uint32Array.from(lines, ({ lineNumber }) => lineNumber),
        lineColumn: Uint32Array.from(lines, ({ lineColumn }) => lineColumn),
      },
      samples: {
        length: samples.length,
        stackStart: startsOf(samples.map(({ stack }) => stack)),
        stack: Uint32Array.from(
          samples.flatMap(({ stack }) => stack),
          (location) => location % locations.length,
        ),
        values: Float64Array.from(
          samples.flatMap(({ values }) => values.slice(0, header.sampleTypes.length)),
        ),
        labelStart: startsOf(samples.map(({ labels }) => labels)),
        labelKey: Uint32Array.from(labels, ({ labelKey }) => labelKey),
        labelText: Uint32Array.from(labels, ({ labelText }) => labelText),
        labelNumber: Float64Array.from(labels, ({ labelNumber }) => labelNumber),
        labelUnit: Uint32Array.from(labels, ({ labelUnit }) => labelUnit),
      },
    };
  });
}

/** Where each of the lists begins in all of them, and where the last one ends. */
function startsOf(lists: readonly (readonly unknown[])[]): Uint32Array {
  const starts = new Uint32Array(lists.length + 1);
  lists.forEach((list, i) => (starts[i + 1] = starts[i]! + list.length));
  return starts;
}

/** pprof-format writes empty messages wrong. */
function hasNoEmptyType({ sampleTypes, periodType }: Profile): boolean {
  return [...sampleTypes, periodType].every(({ type, unit }) => type !== '' || unit !== '');
}

function within<T>(starts: Uint32Array, i: number, entry: (at: number) => T): T[] {
  return each(starts[i + 1]! - starts[i]!, (at) => entry(starts[i]! + at));
}

function each<T>(length: number, entry: (i: number) => T): T[] {
  return Array.from({ length }, (_, i) => entry(i));
}

function writtenByPprofFormat(profile: Profile, idOf: (index: number) => number): Uint8Array {
  const { samples, locations, functions, mappings, strings } = profile;
  const table = new format.StringTable(format.emptyTableToken);
  for (const one of strings) table.dedup(one);
  const text = (one: string): number => strings.indexOf(one);
  const type = ({ type, unit }: { type: string; unit: string }) => ({ type: text(type), unit: text(unit) });
  const width = profile.sampleTypes.length;
  return new format.Profile({
    sampleType: profile.sampleTypes.map(type),
    sample: each(samples.length, (i) => ({
      locationId: within(samples.stackStart, i, (at) => idOf(samples.stack[at]!)),
      value: [...samples.values.subarray(i * width, (i + 1) * width)].map(BigInt),
      label: within(samples.labelStart, i, (at) => ({
        key: samples.labelKey[at]!,
        str: samples.labelText[at]!,
        num: BigInt(samples.labelNumber[at]!),
        numUnit: samples.labelUnit[at]!,
      })),
    })),
    mapping: mappings.map(({ start, limit, offset, filename, buildId, hasFunctions }, i) => ({
      id: idOf(i),
      memoryStart: BigInt(start),
      memoryLimit: BigInt(limit),
      fileOffset: BigInt(offset),
      filename: text(filename),
      buildId: text(buildId),
      hasFunctions,
    })),
    location: each(locations.length, (i) => ({
      id: idOf(i),
      mappingId: locations.mapping[i] === 0 ? 0 : idOf(locations.mapping[i]! - 1),
      address: BigInt(locations.address[i]!),
      line: within(locations.lineStart, i, (at) => ({
        functionId: idOf(locations.lineFunction[at]!),
        line: locations.lineNumber[at]!,
        column: locations.lineColumn[at]!,
      })),
    })),
    function: each(functions.length, (i) => ({
      id: idOf(i),
      name: functions.name[i]!,
      systemName: functions.systemName[i]!,
      filename: functions.filename[i]!,
      startLine: functions.startLine[i]!,
    })),
    stringTable: table,
    timeNanos: profile.timeNanos,
    durationNanos: BigInt(profile.durationNanos),
    periodType: type(profile.periodType),
    period: BigInt(profile.period),
    comment: profile.comments.map(text),
    defaultSampleType: text(profile.defaultSampleType),
  }).encode();
}
