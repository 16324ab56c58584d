const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // which keeps it

/** Wire types of protocol buffers. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

const TWO_POW_32 = 2 ** 32;
/** The largest double below 2^63, which is no int64. */
const LARGEST = 2 ** 63 - 1024;

/** Ids below it are short. */
const LONG_ID = 2 ** 31;

interface NumberTarget {
  append(values: Float64Array, count: number): void;
}

/**
 * Reads protocol buffers. All methods throw an Error where the bytes are none.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufReader {
  position = 0;
  private wireType = VARINT;
  /** Of the last number: its upper and lower 32 bits, as V8 keeps them without a box. */
  private high = 0;
  private low = 0;
  private row = new Float64Array(64);
  private readonly standIns = new Map<bigint, number>();
  private readonly bytes: Uint8Array;

  constructor({ buffer, byteOffset, length }: Uint8Array) {
    this.bytes = new Uint8Array(buffer, byteOffset, length); // of a Buffer, subarray is slow
  }

  get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  /** The number of the field that comes next. */
  tag(): number {
    const tag = this.varint();
    this.wireType = tag & 7;
    return Math.floor(tag / 8);
  }

  /** A whole number, signed as int64 is. What is beyond 2^53 loses its last digits. */
  number(): number {
    this.expect(VARINT);
    return this.varint();
  }

  bigint(): bigint {
    this.expect(VARINT);
    this.readHalves();
    return BigInt.asIntN(64, this.halves());
  }

  /**
   * An id below 2^32: itself if it is short. Whoever wrote the profile may have taken any 64 bits, such as addresses:
   * instead of a long one comes a number that is the same each time.
   */
  id(): number {
    this.expect(VARINT);
    return this.shortId(this.varint());
  }

  text(): string {
    const end = this.enter();
    const text = decoder.decode(this.bytes.subarray(this.position, end));
    this.position = end;
    return text;
  }

  /** Steps into a message. @returns the position at which it ends */
  enter(): number {
    this.expect(DELIMITED);
    const length = this.varint();
    const end = this.position + length;
    if (length < 0 || end > this.bytes.length) throw new Error('malformed profile: it ends too early');
    return end;
  }

  /** Steps out of a message that has been read. */
  leave(end: number): void {
    if (this.position !== end) throw new Error('malformed profile: a field is longer than what it is in');
  }

  /** One number of a repeated field, or all of them where they are packed. */
  numbers(target: NumberTarget): void {
    const count = this.readRow(false);
    target.append(this.row, count);
  }

  /** What {@link numbers} does, with each as {@link id} gives it. */
  ids(target: NumberTarget): void {
    const count = this.readRow(true);
    target.append(this.row, count);
  }

  /** Passes over a field. */
  skip(): void {
    if (this.wireType === VARINT) this.readHalves();
    else if (this.wireType === DELIMITED) this.position = this.enter();
    else if (this.wireType === FIXED64) this.advance(8);
    else if (this.wireType === FIXED32) this.advance(4);
    else throw new Error('malformed profile: a field of an unknown kind');
  }

  private advance(count: number): void {
    this.position += count;
    if (this.position > this.bytes.length) throw new Error('malformed profile: it ends too early');
  }

  private expect(wireType: number): void {
    if (this.wireType !== wireType) throw new Error('malformed profile: a field of an unexpected kind');
  }

  /** Reads a repeated field into the row, which is there until the next one. @returns how many numbers it has */
  private readRow(areIds: boolean): number {
    if (this.wireType === VARINT) {
      this.row[0] = areIds ? this.id() : this.varint();
      return 1;
    }
    const { bytes } = this;
    const end = this.enter();
    if (end - this.position > this.row.length) this.row = new Float64Array(2 * (end - this.position));
    const { row } = this;
    let count = 0;
    while (this.position < end) {
      const byte = bytes[this.position]!;
      if (byte < 128) {
        row[count++] = byte;
        this.position++;
      } else {
        const number = this.varint();
        row[count++] = areIds ? this.shortId(number) : number;
      }
    }
    this.leave(end);
    return count;
  }

  private varint(): number {
    const { bytes, position } = this;
    const first = bytes[position]!;
    if (first < 128) {
      this.position = position + 1;
      return first;
    }
    const second = bytes[position + 1]!;
    if (second < 128) {
      this.position = position + 2;
      return (second << 7) | (first & 127);
    }
    this.readHalves();
    return Math.min(this.high * TWO_POW_32 + (this.low >>> 0), LARGEST);
  }

  /** @param id what {@link varint} has just read */
  private shortId(id: number): number {
    return id >= 0 && id < LONG_ID ? id : this.standIn();
  }

  private standIn(): number {
    const id = this.halves();
    const known = this.standIns.get(id) ?? LONG_ID + this.standIns.size;
    this.standIns.set(id, known);
    return known;
  }

  private halves(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }

  private readHalves(): void {
    const { bytes } = this;
    const begin = this.position;
    let [first, second, third] = [0, 0, 0]; // 28 bits, 28 bits, 8 bits
    for (let i = 0; i < 10; i++) {
      const byte = bytes[begin + i];
      if (byte === undefined) throw new Error('malformed profile: it ends too early');
      if (i < 4) first |= (byte & 127) << (7 * i);
      else if (i < 8) second |= (byte & 127) << (7 * (i - 4));
      else third |= (byte & 127) << (7 * (i - 8));
      if (byte >= 128) continue;
      this.position = begin + i + 1;
      this.low = first | (second << 28);
      this.high = (second >>> 4) | (third << 24);
      return;
    }
    throw new Error('malformed profile: a number of more than ten bytes');
  }
}
