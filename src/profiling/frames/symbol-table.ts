import { Injectable } from '@nestjs/common';
import { addressOf } from '../../format/address.js';
import { NO_STACK } from '../../format/builder.js';
import { perProcess } from '../../sampling/process-state.js';

/** What identifies a frame: V8's own words, never a name for display. */
export interface FrameIdentity {
  readonly functionName: string;
  readonly filename: string;
  readonly line: number;
  readonly column: number;
}

/** What is known of an address. */
interface SymbolEntry {
  name: string;
  /** A second hash of the frame, by which another one at the same address is noticed. */
  readonly check: number;
}

/** Addresses of a generation: some 5 MB. */
const GENERATION = 50_000;

/** In two generations: when the younger is full, the older is forgotten. */
const symbols = perProcess('symbols', () => ({
  young: new Map<number, SymbolEntry>(),
  old: new Map<number, SymbolEntry>(),
}));

/**
 * The function names of the addresses in profiles, for readers that have addresses only: those of Go's text ask `symbol`.
 * It keeps at least the last 50,000 and at most twice as many, for the whole process; one that is forgotten is unknown.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  /** The name of the function at an address, if a profile had it. The text of a profile shows each address plus one. */
  nameOf(address: number): string | undefined {
    return (find(address) ?? find(address - 1))?.name;
  }
}

/** The location of samples without a stack, which is of no frame. */
const NO_FRAME = new Map<number, SymbolEntry>([
  [NO_STACK.address, { name: NO_STACK.functionName, check: addressOf('', NO_STACK.functionName, 0, 0) }],
]);

/**
 * The address of a frame, which the table knows from now on by a name. If another frame has the address already, the next
 * free one.
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
