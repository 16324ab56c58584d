import { onOneLine } from './names.js';
import type { Profile, ValueType } from './profile.js';

const TWO_POW_7 = 128;
const TWO_POW_31 = 0x8000_0000;
const encoder = new TextEncoder();

/** Wire types of protocol buffers. */
const VARINT = 0;
const DELIMITED = 2;

/** Size of a piece in bytes. */
const PIECE = 64 * 1024;

/** Entries between two yields; takes a few tenths of a millisecond before V8 has optimized the code. */
const SLICE = 50;

/** Id of the only mapping. */
const MAPPING = 1;

/**
 * Writes a profile as profile.proto, uncompressed.
 *
 * Yields now and then, so that the caller can let the event loop run.
 *
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function* encodeProfile(profile: Profile): Generator<void, Uint8Array> {
  const out = new ProtobufWriter();
  const strings = new StringTable(profile.strings);
  const valueType = ({ type, unit }: ValueType): void => {
    out.number(1, strings.indexOf(typeName(type)));
    out.number(2, strings.indexOf(unit));
  };

  for (const type of profile.sampleTypes) out.message(1, () => valueType(type));

  const { samples, labelSets } = profile;
  const width = profile.sampleTypes.length;
  yield* messages(out, 2, samples.length, (i) => {
    out.packed(1, samples.stack, samples.stackStart[i]!, samples.stackStart[i + 1]!, 1);
    out.packed(2, samples.values, i * width, (i + 1) * width);
    const labelSet = samples.labelSet[i]!;
    for (let label = labelSets.start[labelSet]!; label < labelSets.start[labelSet + 1]!; label++) {
      out.message(3, () => {
        out.number(1, labelSets.key[label]!);
        out.number(2, labelSets.text[label]!);
        out.number(3, labelSets.number[label]!);
      });
    }
  });

  out.message(3, () => {
    out.number(1, MAPPING);
    out.number(5, strings.indexOf(profile.program));
    out.number(7, 1); // has_functions: otherwise go tool pprof searches for the binary and warns
  });

  const { locations } = profile;
  yield* messages(out, 4, locations.length, (i) => {
    out.number(1, i + 1);
    out.number(2, MAPPING);
    out.number(3, locations.address[i]!);
    out.message(4, () => {
      out.number(1, locations.function[i]! + 1);
      out.number(2, locations.line[i]!);
      out.number(3, locations.column[i]!);
    });
  });

  const { functions } = profile;
  yield* messages(out, 5, functions.length, (i) => {
    out.number(1, i + 1);
    out.number(2, functions.name[i]!); // no system_name, so that clients don't demangle a JavaScript name
    out.number(4, functions.filename[i]!);
    out.number(5, functions.startLine[i]!);
  });

  out.bigint(9, profile.timeNanos);
  out.number(10, profile.durationNanos);
  out.message(11, () => valueType(profile.periodType));
  out.number(12, profile.period);
  const comments = profile.comments.map((comment) => strings.indexOf(comment));
  out.packed(13, comments, 0, comments.length);
  out.number(14, strings.indexOf(typeName(profile.defaultSampleType)));

  // Written last, since the code above adds strings.
  yield* each(out, strings.all.length, (i) => out.text(6, strings.all[i]!));
  return yield* out.toBytes();
}

/** Pyroscope rejects a "-" in the name of a sample type, which may be the name of a custom profile. */
function typeName(name: string): string {
  return name.replaceAll('-', '_');
}

/** Writes one message per entry of a table. */
function messages(
  out: ProtobufWriter,
  field: number,
  length: number,
  write: (i: number) => void,
): Generator<void, void> {
  return each(out, length, (i) => out.message(field, () => write(i)));
}

function* each(out: ProtobufWriter, length: number, write: (i: number) => void): Generator<void, void> {
  for (let i = 0; i < length; i++) {
    if (i % SLICE === 0) {
      out.setAside();
      yield;
    }
    write(i);
  }
}

/** The profile's strings, followed by new ones from its header. */
class StringTable {
  readonly all: string[];

  constructor(strings: readonly string[]) {
    this.all = [...strings];
  }

  indexOf(text: string): number {
    const line = onOneLine(text);
    const known = this.all.indexOf(line);
    return known >= 0 ? known : this.all.push(line) - 1;
  }
}

/**
 * Writes protocol buffers into a buffer that grows.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
class ProtobufWriter {
  private readonly pieces: Uint8Array[] = [];
  private bytes = new Uint8Array(PIECE);
  private position = 0;

  /** Writes an integer field; 0 is the default and is not written. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.tag(field, VARINT);
    this.varint(value);
  }

  /** Writes a 64-bit integer field. */
  bigint(field: number, value: bigint): void {
    if (value === 0n) return;
    this.tag(field, VARINT);
    let rest = BigInt.asUintN(64, value);
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  /** Writes a packed repeated field of integers. */
  packed(field: number, values: ArrayLike<number>, start: number, end: number, add = 0): void {
    if (start === end) return;
    this.message(field, () => {
      for (let i = start; i < end; i++) this.varint(values[i]! + add);
    });
  }

  text(field: number, value: string): void {
    this.tag(field, DELIMITED);
    this.reserve(value.length * 3 + 10);
    const start = this.position + lengthOfVarint(value.length); // usually right, since most text is ASCII
    const { written } = encoder.encodeInto(value, this.bytes.subarray(start));
    this.closeLength(this.position, start, written);
  }

  /** Writes a message field, whose content `write` writes. */
  message(field: number, write: () => void): void {
    this.tag(field, DELIMITED);
    const lengthAt = this.position;
    this.byte(0);
    write();
    this.closeLength(lengthAt, lengthAt + 1, this.position - lengthAt - 1);
  }

  /**
   * Moves the bytes so far to the finished pieces if there are many, since growing a large buffer would hold the event loop. Call it
   * only between two fields of the outermost message.
   */
  setAside(): void {
    if (this.position < PIECE / 2) return;
    this.pieces.push(this.bytes.subarray(0, this.position));
    this.bytes = new Uint8Array(PIECE);
    this.position = 0;
  }

  /** All written bytes. Yields now and then. */
  *toBytes(): Generator<void, Uint8Array> {
    const pieces = [...this.pieces, this.bytes.subarray(0, this.position)];
    const all = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
    let position = 0;
    for (const piece of pieces) {
      all.set(piece, position);
      position += piece.length;
      yield;
    }
    return all;
  }

  /** Writes the length before the bytes from `start` on, and moves these if the length needs more space. */
  private closeLength(lengthAt: number, start: number, length: number): void {
    const end = lengthAt + lengthOfVarint(length);
    this.reserve(10);
    if (end !== start) this.bytes.copyWithin(end, start, start + length);
    this.position = lengthAt;
    this.varint(length);
    this.position += length;
  }

  private tag(field: number, wireType: number): void {
    this.byte((field << 3) | wireType);
  }

  private varint(value: number): void {
    if (value < 0) return this.negative(value);
    this.reserve(10);
    while (value >= TWO_POW_31) {
      this.bytes[this.position++] = (value % TWO_POW_7) | 128;
      value = Math.floor(value / TWO_POW_7);
    }
    while (value > 127) {
      this.bytes[this.position++] = (value & 127) | 128;
      value >>>= 7;
    }
    this.bytes[this.position++] = value;
  }

  /** Two's complement in 64 bits: always ten bytes. */
  private negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.position++] = value;
  }

  private reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.position + count));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

function lengthOfVarint(value: number): number {
  let length = 1;
  for (; value > 127; value >>>= 7) length++;
  return length;
}
