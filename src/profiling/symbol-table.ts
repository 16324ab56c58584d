import { Injectable } from '@nestjs/common';
import type { PlaceInCode } from '../format/profile-builder.js';

/** Addresses that are kept: some 10 MB. */
const LIMIT = 100_000;

/**
 * The names of the addresses in all profiles that were made, for those who have addresses only: readers of Go's text
 * ask `symbol`. It keeps the last 100,000; one that is forgotten is unknown.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  private readonly names = new Map<number, string>();

  /** The name of the function at an address, if a profile had it. The text of a profile shows each address plus one. */
  nameOf(address: number): string | undefined {
    return this.names.get(address) ?? this.names.get(address - 1);
  }

  /** Keeps what a profile shows at these addresses. */
  remember({ address, functionName }: PlaceInCode): void {
    this.names.delete(address); // to be the newest
    this.names.set(address, functionName);
    if (this.names.size > LIMIT) this.names.delete(this.names.keys().next().value!);
  }
}
