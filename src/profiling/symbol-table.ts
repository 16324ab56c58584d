import { Injectable } from '@nestjs/common';
import type { PlaceInCode } from '../format/profile-builder.js';

/** Addresses of a generation: some 5 MB. */
const GENERATION = 50_000;

/**
 * Names by address, in two generations: when the younger is full, the older is forgotten. They are the process's, as
 * addresses are: a profile of the application's own is made by one module and served by all.
 */
const names = { young: new Map<number, string>(), old: new Map<number, string>() };

/**
 * The names of the addresses in the profiles that were made, for those who have addresses only: readers of Go's text ask
 * `symbol`. It keeps at least the last 50,000 and at most twice as many; one that is forgotten is unknown.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  /** The name of the function at an address, if a profile had it. The text of a profile shows each address plus one. */
  nameOf(address: number): string | undefined {
    return find(address) ?? find(address - 1);
  }

  /** Keeps what a profile shows at an address. */
  remember({ address, functionName }: PlaceInCode): void {
    names.young.set(address, functionName);
    if (names.young.size < GENERATION) return;
    names.old = names.young;
    names.young = new Map();
  }
}

function find(address: number): string | undefined {
  return names.young.get(address) ?? names.old.get(address);
}
