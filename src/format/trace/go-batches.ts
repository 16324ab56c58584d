import { addressOf } from '../address.js';
import { putVarint, VARINT_BYTES } from '../varint.js';
import type { TakePiece, TraceFrame, TraceStack } from './events.js';

/** Bytes of a piece, about. */
const PIECE = 64 * 1024;
/** Bytes that an event may take, without texts. */
const EVENT = 128;
/** Newer readers take no more than 2,048 bytes for a stack, and a frame may need 20. */
const DEEPEST = 100;
const HIGHEST_LINE = 2 ** 28 - 1;
/** Letters of a string; readers take 1,000,000 bytes. */
const LONGEST = 16_384;
/** Strings, frames and stacks that are remembered: memory is bounded, and what is forgotten is written again. */
const REMEMBERED = 16_384;

const HEADER = 'go 1.19 trace\0\0\0';
const encoder = new TextEncoder();

const BATCH = 1;
const STACK = 3;
const STRING = 37;
const USER_LOG = 48;

/** The batch of events that happen on no thread. */
const NOWHERE = -1;

/** A frame as it is written. */
interface WrittenFrame {
  readonly address: number;
  readonly functionName: number;
  readonly file: number;
  readonly line: number;
}

/**
 * The bytes of Go's format, version 1.19: events in batches, one for each thread; strings and stacks, each once.
 *
 * Pieces are handed out at moments when all threads' batches are complete, so what has come by then can be read.
 *
 * @see https://go.dev/src/internal/trace
 */
export class GoBatches {
  private readonly batches = new Map<number, Batch>();
  private readonly strings = new Map<string, number>();
  private readonly frames = new Map<TraceFrame, WrittenFrame>();
  private readonly stacks = new Map<TraceStack, number>();
  private knownStrings = 0;
  private knownStacks = 0;
  private size = 0;

  constructor(private readonly take: TakePiece) {
    take(encoder.encode(HEADER));
  }

  /**
   * An event with a time.
   *
   * @param thread index of the thread that it happens on
   * @param tick not below that of the thread's event before
   */
  event(type: number, thread: number | undefined, tick: number, ...rest: readonly number[]): void {
    const batch = this.batch(thread ?? NOWHERE, tick);
    const delta = tick - batch.tick;
    batch.tick = tick;
    batch.record(type, delta, rest);
    this.grow(batch);
  }

  /** `event` for a log, which ends in a text. */
  logEvent(thread: number, tick: number, task: number, key: number, stack: number, text: string): void {
    const before = this.batch(thread, tick);
    const delta = tick - before.tick;
    before.tick = tick;
    before.record(USER_LOG, delta, [task, key, stack]);
    before.text(text);
    this.grow(before);
  }

  /** An event whose time is one of its numbers. */
  untimed(type: number, ...rest: readonly number[]): void {
    const batch = this.batch(NOWHERE, 0);
    batch.record(type, 0, rest);
    this.grow(batch);
  }

  /** A record without a time. */
  fact(type: number, value: number): void {
    const batch = this.batch(NOWHERE, 0);
    batch.record(type, value, []);
    this.grow(batch);
  }

  /** A string's number: 0 for none. */
  string(text: string): number {
    if (text === '') return 0;
    let id = this.strings.get(text);
    if (id === undefined) {
      if (this.strings.size >= REMEMBERED) this.strings.clear();
      id = ++this.knownStrings;
      this.strings.set(text, id);
      const batch = this.batch(NOWHERE, 0);
      batch.byte(STRING);
      batch.number(id);
      batch.text(text);
      this.grow(batch);
    }
    return id;
  }

  /** A stack's number: 0 for none. */
  stack(stack: TraceStack | undefined): number {
    if (stack === undefined || stack.length === 0) return 0;
    let id = this.stacks.get(stack);
    if (id === undefined) {
      if (this.stacks.size >= REMEMBERED) this.stacks.clear();
      id = ++this.knownStacks;
      this.stacks.set(stack, id);
      const frames = stack.slice(0, DEEPEST).map((frame) => this.frame(frame));
      const batch = this.batch(NOWHERE, 0);
      batch.stack(id, frames);
      this.grow(batch);
    }
    return id;
  }

  /** What is written is a piece. */
  get isFull(): boolean {
    return this.size >= PIECE;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Hands out what is written. */
  flush(): void {
    if (this.size === 0) return;
    const piece = new Uint8Array(this.size);
    let position = 0;
    for (const batch of this.batches.values()) {
      const bytes = batch.close();
      piece.set(bytes, position);
      position += bytes.length;
    }
    this.size = 0;
    this.take(piece);
  }

  private frame(frame: TraceFrame): WrittenFrame {
    let written = this.frames.get(frame);
    if (written === undefined) {
      if (this.frames.size >= REMEMBERED) this.frames.clear();
      const { functionName, file, line } = frame;
      written = {
        address: addressOf(functionName, file, line, 0),
        functionName: this.string(functionName),
        file: this.string(file),
        line: Math.min(line, HIGHEST_LINE),
      };
      this.frames.set(frame, written);
    }
    return written;
  }

  private batch(thread: number, tick: number): Batch {
    let batch = this.batches.get(thread);
    if (batch === undefined) {
      batch = new Batch(thread);
      this.batches.set(thread, batch);
    }
    if (!batch.isOpen) batch.open(tick);
    return batch;
  }

  private grow(batch: Batch): void {
    this.size += batch.grown();
  }
}

const TWO_POW_63 = 2 ** 63;

/** Events of one thread, one batch after the other. */
class Batch {
  isOpen = false;
  /** When the event before happened. */
  tick = 0;
  private bytes = new Uint8Array(1024);
  private position = 0;
  private told = 0;

  constructor(private readonly thread: number) {}

  open(tick: number): void {
    this.isOpen = true;
    this.tick = tick;
    this.byte(BATCH | (1 << 6));
    if (this.thread === NOWHERE) this.noThread();
    else this.number(this.thread);
    this.number(tick);
  }

  /** Its bytes, until it is opened again. */
  close(): Uint8Array {
    const bytes = this.bytes.subarray(0, this.position);
    this.isOpen = false;
    this.position = 0;
    this.told = 0;
    return bytes;
  }

  /** A record: how many numbers it has stands in its first byte; if they are many, their length in bytes follows. */
  record(type: number, first: number, rest: readonly number[]): void {
    this.reserve(EVENT);
    const isLong = rest.length >= 3;
    this.bytes[this.position++] = type | (Math.min(rest.length, 3) << 6);
    const lengthAt = this.position;
    if (isLong) this.position++;
    this.number(first);
    for (let i = 0; i < rest.length; i++) this.number(rest[i]!);
    if (isLong) this.bytes[lengthAt] = this.position - lengthAt - 1; // below 128: so many numbers there are not
  }

  stack(id: number, frames: readonly WrittenFrame[]): void {
    this.reserve(EVENT + frames.length * 32);
    this.byte(STACK | (3 << 6));
    const lengthAt = this.position;
    this.position += 2;
    this.number(id);
    this.number(frames.length);
    for (const { address, functionName, file, line } of frames) {
      this.number(address);
      this.number(functionName);
      this.number(file);
      this.number(line);
    }
    const length = this.position - lengthAt - 2;
    this.bytes[lengthAt] = (length & 127) | 128;
    this.bytes[lengthAt + 1] = length >>> 7;
  }

  text(text: string): void {
    const bytes = encoder.encode(text.length > LONGEST ? text.slice(0, LONGEST) : text);
    this.number(bytes.length);
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.position++] = value;
  }

  /** A whole number from 0 on; what is none is 0. */
  number(value: number): void {
    this.reserve(VARINT_BYTES);
    if (!(value >= 0 && value < TWO_POW_63)) value = 0;
    this.position = putVarint(this.bytes, this.position, value);
  }

  /** How many bytes were written since it was asked. */
  grown(): number {
    const grown = this.position - this.told;
    this.told = this.position;
    return grown;
  }

  /** -1 in 64 bits. */
  private noThread(): void {
    for (let i = 0; i < 9; i++) this.byte(255);
    this.byte(1);
  }

  private reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.position + count));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}
