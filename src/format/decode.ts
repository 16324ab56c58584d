import { GrowingArray } from './growing-array.js';
import type { Mapping, Profile, ValueType } from './profile.js';
import { ProfileTables } from './profile-tables.js';
import { ProtobufReader } from './protobuf-reader.js';

/** Fields, or entries of a table, between two yields. */
const SLICE = 50;
const ENTRIES = 20_000;

/** The field of the id, in messages that have one. */
const ID = 1;

/**
 * Reads profile.proto, uncompressed, of whoever wrote it: with ids in any order, with gaps, with tables after what
 * refers to them. What our model has no place for (`drop_frames`, `doc_url`, folded lines) is passed over.
 *
 * @throws Error that says what is wrong with it
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function* decodeProfile(bytes: Uint8Array): Generator<void, Profile> {
  if (bytes.length === 0) throw new Error('malformed profile: it is empty');
  const decoder = new Decoder(new ProtobufReader(bytes));
  yield* decoder.read();
  return yield* decoder.profile();
}

/** With indexes of strings, which may come later. */
interface RawValueType {
  type: number;
  unit: number;
}
interface RawMapping extends Omit<Mapping, 'filename' | 'buildId'> {
  readonly filename: number;
  readonly buildId: number;
}

class Decoder {
  private readonly strings: string[] = [];
  private readonly sampleTypes: RawValueType[] = [];
  private readonly comments = GrowingArray.float64();
  private periodType: RawValueType = { type: 0, unit: 0 };
  private period = 0;
  private timeNanos = 0n;
  private durationNanos = 0;
  private defaultSampleType = 0;

  private readonly mappingIds = new Ids('mapping');
  private readonly mappings: RawMapping[] = [];

  private readonly functionIds = new Ids('function');
  private readonly locationIds = new Ids('location');
  private readonly tables = new ProfileTables();
  private valuesPerSample: number | undefined;

  private readonly numbers = [0, 0, 0, 0, 0, 0, 0];

  /** What to do with each field of a profile; others are passed over. */
  private readonly fields: readonly ((() => void) | undefined)[] = [
    undefined,
    () => this.sampleTypes.push(this.readValueType()),
    () => this.readSample(),
    () => this.readMapping(),
    () => this.readLocation(),
    () => this.readFunction(),
    () => this.strings.push(this.reader.text()),
    undefined,
    undefined,
    () => this.readTime(),
    () => (this.durationNanos = this.reader.number()),
    () => (this.periodType = this.readValueType()),
    () => (this.period = this.reader.number()),
    () => this.reader.numbers(this.comments),
    () => (this.defaultSampleType = this.reader.number()),
  ];

  constructor(private readonly reader: ProtobufReader) {}

  *read(): Generator<void> {
    const { reader, fields } = this;
    for (let count = 1; !reader.isAtEnd; count++) {
      if (count % SLICE === 0) yield;
      const read = fields[reader.tag()];
      if (read) read();
      else reader.skip();
    }
  }

  *profile(): Generator<void, Profile> {
    if (this.strings.length === 0) this.strings.push('');
    if (this.strings[0] !== '') throw new Error('malformed profile: the first string is not empty');
    if (this.valuesPerSample !== undefined && this.valuesPerSample !== this.sampleTypes.length) {
      throw new Error('malformed profile: samples have another number of values than there are sample types');
    }
    const header = {
      sampleTypes: this.sampleTypes.map((raw) => this.valueType(raw)),
      defaultSampleType: this.string(this.defaultSampleType),
      periodType: this.valueType(this.periodType),
      period: this.period,
      timeNanos: this.timeNanos,
      durationNanos: this.durationNanos,
      comments: Array.from(yield* this.comments.toArray(), (comment) => this.string(comment)),
    };
    const mappings = this.mappings.map((raw) => ({
      ...raw,
      filename: this.string(raw.filename),
      buildId: this.string(raw.buildId),
    }));
    const profile = yield* this.tables.build(header, this.strings, mappings);
    const { functions, locations, samples } = profile;
    const { labelKey, labelText, labelUnit } = samples;
    const { name, systemName, filename } = functions;
    for (const column of [name, systemName, filename, labelKey, labelText, labelUnit])
      yield* this.checkStrings(column);
    yield* this.mappingIds.toIndexes(locations.mapping, 1);
    yield* this.functionIds.toIndexes(locations.lineFunction);
    yield* this.locationIds.toIndexes(samples.stack);
    return profile;
  }

  private readTime(): void {
    if (this.timeNanos !== 0n) throw new Error('malformed profile: two profiles in one');
    this.timeNanos = this.reader.bigint();
  }

  private readValueType(): RawValueType {
    const [type, unit] = this.readNumbers(2);
    return { type: type!, unit: unit! };
  }

  private readSample(): void {
    const { reader } = this;
    const { stack, values } = this.tables.samples;
    const end = reader.enter();
    const valuesBefore = values.length;
    this.tables.addSample();
    while (reader.position < end) {
      const field = reader.tag();
      if (field === 1) reader.ids(stack);
      else if (field === 2) reader.numbers(values);
      else if (field === 3) this.readLabel();
      else reader.skip();
    }
    reader.leave(end);
    this.valuesPerSample ??= values.length - valuesBefore;
    if (values.length - valuesBefore !== this.valuesPerSample) {
      throw new Error('malformed profile: samples have different numbers of values');
    }
  }

  /** One without text, number and unit says nothing. */
  private readLabel(): void {
    const [key, text, number, unit] = this.readNumbers(4);
    if (text === 0 && number === 0 && unit === 0) return;
    this.tables.addLabel(indexOfString(key!), indexOfString(text!), number!, indexOfString(unit!));
  }

  private readMapping(): void {
    const [id, start, limit, offset, filename, buildId, hasFunctions] = this.readNumbers(7, ID);
    this.mappingIds.add(id!);
    this.mappings.push({
      start: start!,
      limit: limit!,
      offset: offset!,
      filename: filename!,
      buildId: buildId!,
      hasFunctions: hasFunctions !== 0,
    });
  }

  private readLocation(): void {
    const { reader, tables } = this;
    const end = reader.enter();
    let [id, mapping, address] = [0, 0, 0];
    tables.beginLocation();
    while (reader.position < end) {
      const field = reader.tag();
      if (field === 1) id = reader.id();
      else if (field === 2) mapping = reader.id();
      else if (field === 3) address = reader.number();
      else if (field === 4) this.readLine();
      else reader.skip();
    }
    reader.leave(end);
    this.locationIds.add(id);
    tables.endLocation(address, mapping);
  }

  private readLine(): void {
    const [fn, line, column] = this.readNumbers(3, ID);
    this.tables.addLine(fn!, lineNumber(line!), lineNumber(column!));
  }

  private readFunction(): void {
    const [id, name, systemName, filename, startLine] = this.readNumbers(5, ID);
    this.functionIds.add(id!);
    this.tables.addFunction(
      indexOfString(name!),
      indexOfString(systemName!),
      indexOfString(filename!),
      lineNumber(startLine!),
    );
  }

  /** The fields 1 to `count` of a message that has numbers only, one of which may be an id; until the next call. */
  private readNumbers(count: number, idField = 0): readonly number[] {
    const { reader, numbers } = this;
    const end = reader.enter();
    numbers.fill(0);
    while (reader.position < end) {
      const field = reader.tag();
      if (field < 1 || field > count) reader.skip();
      else numbers[field - 1] = field === idField ? reader.id() : reader.number();
    }
    reader.leave(end);
    return numbers;
  }

  private valueType({ type, unit }: RawValueType): ValueType {
    return { type: this.string(type), unit: this.string(unit) };
  }

  private string(index: number): string {
    const text = this.strings[index];
    if (text === undefined) throw new Error(`malformed profile: there is no string ${index}`);
    return text;
  }

  private *checkStrings(indexes: Uint32Array): Generator<void, void> {
    for (let i = 0; i < indexes.length; i++) {
      if (i % ENTRIES === ENTRIES - 1) yield;
      this.string(indexes[i]!);
    }
  }
}

/** An index that a column has no room for would come out as another one. */
function indexOfString(index: number): number {
  if (index >>> 0 !== index) throw new Error(`malformed profile: there is no string ${index}`);
  return index;
}

/** 0, for unknown, instead of a negative one, which some languages have. */
function lineNumber(line: number): number {
  return line >>> 0 === line ? line : 0;
}

/** The ids of a table: whoever wrote the profile has chosen them. */
class Ids {
  private length = 0;
  /** None as long as each id is its index plus one, as scrapers want it. */
  private indexes: Map<number, number> | undefined;

  constructor(private readonly what: string) {}

  add(id: number): void {
    if (id === 0) throw new Error(`malformed profile: a ${this.what} has no id`);
    if (this.indexOf(id) !== undefined)
      throw new Error(`malformed profile: two ${this.what}s have the same id`);
    const index = this.length++;
    if (!this.indexes && id !== index + 1) this.indexes = this.indexesInOrder(index);
    this.indexes?.set(id, index);
  }

  /**
   * Replaces ids by indexes, in place.
   *
   * @param plus added to each; with 1 there may be none, which is 0
   */
  *toIndexes(ids: Uint32Array, plus = 0): Generator<void, void> {
    for (let i = 0; i < ids.length; i++) {
      if (i % ENTRIES === ENTRIES - 1) yield;
      const id = ids[i]!;
      if (plus === 1 && id === 0) continue;
      const index = this.indexOf(id);
      if (index === undefined)
        throw new Error(`malformed profile: it refers to a ${this.what} that it does not have`);
      ids[i] = index + plus;
    }
  }

  private indexOf(id: number): number | undefined {
    if (this.indexes) return this.indexes.get(id);
    return id > 0 && id <= this.length ? id - 1 : undefined;
  }

  private indexesInOrder(length: number): Map<number, number> {
    return new Map(Array.from({ length }, (_, index) => [index + 1, index]));
  }
}
