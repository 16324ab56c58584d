import { putVarint, VARINT_BYTES } from './varint.js';

const encoder = new TextEncoder();

/** Wire types of protocol buffers. */
const VARINT = 0;
const DELIMITED = 2;

/** Bytes of a piece. */
const PIECE = 64 * 1024;

/**
 * Writes protocol buffers into a buffer that grows.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  private readonly pieces: Uint8Array[] = [];
  private bytes = new Uint8Array(PIECE);
  private position = 0;

  /** A field of a whole number; 0 is the default and is not written. */
  number(field: number, value: number): void {
    if (value === 0) return;
    this.tag(field, VARINT);
    if (value > 0 && value < 128) this.bytes[this.position++] = value;
    else this.varint(value);
  }

  /** A field of a 64-bit number, for what does not fit a double. */
  bigint(field: number, value: bigint): void {
    if (value === 0n) return;
    this.tag(field, VARINT);
    let rest = BigInt.asUintN(64, value);
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  /** A repeated field of whole numbers, packed. */
  packed(field: number, values: ArrayLike<number>, start: number, end: number, add = 0): void {
    if (start === end) return;
    this.tag(field, DELIMITED);
    this.reserve((end - start + 1) * 10);
    const { bytes, position: lengthAt } = this;
    let at = lengthAt + 1;
    for (let i = start; i < end; i++) {
      const value = values[i]! + add;
      if (value >= 0 && value < 128) {
        bytes[at++] = value;
      } else if (value >= 0 && value < 16_384) {
        bytes[at++] = (value & 127) | 128;
        bytes[at++] = value >>> 7;
      } else {
        this.position = at;
        this.varint(value);
        at = this.position;
      }
    }
    this.closeLength(lengthAt, lengthAt + 1, at - lengthAt - 1);
  }

  text(field: number, value: string): void {
    this.tag(field, DELIMITED);
    this.reserve(value.length * 3 + 10);
    const start = this.position + lengthOfVarint(value.length); // most text is ASCII: the guess is right
    const { written } = encoder.encodeInto(value, this.bytes.subarray(start));
    this.closeLength(this.position, start, written);
  }

  /** A field that is a message, of what `write` writes. */
  message(field: number, write: () => void): void {
    this.tag(field, DELIMITED);
    const lengthAt = this.position++;
    write();
    this.closeLength(lengthAt, lengthAt + 1, this.position - lengthAt - 1);
  }

  /**
   * Sets aside what is written so far, if it is much: a large buffer would hold the event loop when it grows. Only
   * between two fields of the outermost message.
   */
  setAside(): void {
    if (this.position < PIECE / 2) return;
    this.pieces.push(this.bytes.subarray(0, this.position));
    this.bytes = new Uint8Array(PIECE);
    this.position = 0;
  }

  /** All that was written. Yields now and then. */
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

  /** Puts the length before what was written from `start` on, and moves that where the length needs more room. */
  private closeLength(lengthAt: number, start: number, length: number): void {
    if (length < 128 && start === lengthAt + 1) {
      this.bytes[lengthAt] = length;
      this.position = start + length;
      return;
    }
    const end = lengthAt + lengthOfVarint(length);
    this.reserve(VARINT_BYTES);
    if (end !== start) this.bytes.copyWithin(end, start, start + length);
    this.position = lengthAt;
    this.varint(length);
    this.position += length;
  }

  /** Below 16 it takes a byte. What follows may take one more without asking for room. */
  private tag(field: number, wireType: number): void {
    this.reserve(2);
    this.bytes[this.position++] = (field << 3) | wireType;
  }

  private varint(value: number): void {
    if (value < 0) return this.negative(value);
    this.reserve(VARINT_BYTES);
    this.position = putVarint(this.bytes, this.position, value);
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
