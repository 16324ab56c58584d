import { Pace } from './pace.js';

/** Bytes of a line; google/pprof reads none that is longer. */
const LONGEST = 65_536;
/** Bytes between two yields. */
const SLICE = 16 * 1024;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const TWO_POW_63 = 2 ** 63;
/** Hexadecimal digits of a number that is a whole one in JavaScript for sure. */
const SAFE_DIGITS = 13;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The lines of a file, one after the other. */
export class Lines {
  private readonly pace = new Pace(SLICE);

  constructor(
    private readonly bytes: Uint8Array,
    private position = 0,
  ) {}

  /** The next line, without its end; undefined at the end of the file. */
  next(): string | undefined {
    const line = this.take();
    if (line && line.length > LONGEST) throw malformed('a line is too long');
    return line && decoder.decode(line);
  }

  /** The first line; what is too long for a line is none. */
  header(): string {
    const line = this.take();
    return line && line.length <= LONGEST ? decoder.decode(line) : '';
  }

  /** The first line that is neither empty nor a comment. Yields now and then. */
  *headerBelowComments(): Generator<void, string> {
    for (;;) {
      const line = this.header();
      if (!isSpaceOrComment(line) || this.isAtEnd) return line;
      if (this.isTimeToYield(line)) yield;
    }
  }

  /** Whether to yield after this line. */
  isTimeToYield(line: string): boolean {
    return this.pace.isOver(line.length + 64);
  }

  private get isAtEnd(): boolean {
    return this.position >= this.bytes.length;
  }

  private take(): Uint8Array | undefined {
    if (this.isAtEnd) return undefined;
    const { bytes, position: start } = this;
    const newline = bytes.indexOf(NEWLINE, start);
    let end = newline < 0 ? bytes.length : newline;
    this.position = end + 1;
    if (bytes[end - 1] === CARRIAGE_RETURN && end > start) end--;
    return bytes.subarray(start, end);
  }
}

export function isSpaceOrComment(line: string): boolean {
  const trimmed = line.trim();
  return trimmed === '' || trimmed.startsWith('#');
}

export function malformed(what: string): Error {
  return new Error(`malformed profile: ${what}`);
}

/** A decimal number that fits 64 bits. */
export function int64(text: string): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || Math.abs(number) > TWO_POW_63)
    throw malformed(`the number ${text.slice(0, 40)}`);
  return number;
}

/**
 * An address; signed as profile.proto is read, so that the highest one is -1.
 *
 * @param digits hexadecimal
 * @param minus taken off: an address of a stack is behind the call, except for the leaf of some formats
 */
export function addressOfHex(digits: string, minus = 0): number {
  if (digits.length <= SAFE_DIGITS) return Number.parseInt(digits, 16) - minus;
  const exact = BigInt(`0x${digits}`);
  if (exact !== BigInt.asUintN(64, exact)) throw malformed(`the address 0x${digits.slice(0, 40)}`);
  return Number(BigInt.asIntN(64, exact - BigInt(minus)));
}

/** All addresses in a text; see {@link addressOfHex}. */
export function addressesIn(text: string, minus = 0): number[] {
  return Array.from(text.match(/0x[0-9a-f]+/g) ?? [], (token) => addressOfHex(token.slice(2), minus));
}
