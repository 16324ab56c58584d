import { Injectable } from '@nestjs/common';
import { addressOf } from '../../format/address.js';
import { NO_STACK } from '../../format/builder.js';
import { perProcess } from '../../sampling/process-state.js';

/** What identifies a frame: V8's name for it, not the displayed name. */
export interface FrameIdentity {
  readonly functionName: string;
  readonly filename: string;
  readonly line: number;
  readonly column: number;
}

/** The symbol at an address. */
interface SymbolEntry {
  name: string;
  /** A second hash of the frame, to detect collisions of addresses. */
  readonly check: number;
}

/** Addresses per generation; about 5 MB. */
const GENERATION = 50_000;

/** Two generations: when the younger one is full, the older one is dropped. */
const symbols = perProcess('symbols', () => ({
  young: new Map<number, SymbolEntry>(),
  old: new Map<number, SymbolEntry>(),
}));

/**
 * Looks up function names by the addresses in profiles, for readers of the text format, which contains addresses only. The table is
 * shared by the whole process and keeps the last 50,000 to 100,000 addresses.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  /**
   * Returns the function name at an address; undefined if no profile contained it, or if it was dropped. Also accepts address + 1,
   * which the text format shows.
   */
  nameOf(address: number): string | undefined {
    return (find(address) ?? find(address - 1))?.name;
  }
}

/** The location of samples without a stack. */
const NO_FRAME = new Map<number, SymbolEntry>([
  [NO_STACK.address, { name: NO_STACK.functionName, check: addressOf('', NO_STACK.functionName, 0, 0) }],
]);

/**
 * Returns the address of a frame and stores its name in the table. If another frame has the address, uses the next free one.
 */
export function addressFor({ functionName, filename, line, column }: FrameIdentity, name: string): number {
  const check = addressOf(filename, functionName, column, line);
  let address = addressOf(functionName, filename, line, column);
  while ((find(address)?.check ?? check) !== check) address++;
  symbols.young.set(address, { name, check });
  if (symbols.young.size >= GENERATION) {
    symbols.old = symbols.young;
    symbols.young = new Map();
  }
  return address;
}

function find(address: number): SymbolEntry | undefined {
  return symbols.young.get(address) ?? symbols.old.get(address) ?? NO_FRAME.get(address);
}
