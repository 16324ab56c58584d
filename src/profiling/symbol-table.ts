import { Injectable } from '@nestjs/common';
import type { PlaceInCode } from '../format/profile-builder.js';

/** Addresses that are kept: some 10 MB. */
const LIMIT = 100_000;

/** The process's, as addresses are: a profile of the application's own is made by one module and served by all. */
const names = new Map<number, string>();

/**
 * The names of the addresses in all profiles that were made, for those who have addresses only: readers of Go's text
 * ask `symbol`. It keeps the last 100,000; one that is forgotten is unknown.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  /** The name of the function at an address, if a profile had it. The text of a profile shows each address plus one. */
  nameOf(address: number): string | undefined {
    return names.get(address) ?? names.get(address - 1);
  }

  /** Keeps what a profile shows at these addresses. */
  remember({ address, functionName }: PlaceInCode): void {
    names.delete(address); // to be the newest
    names.set(address, functionName);
    if (names.size > LIMIT) names.delete(names.keys().next().value!);
  }
}
