import { Injectable } from '@nestjs/common';
import type { PlaceInCode } from '../format/profile-builder.js';

/** Addresses of a generation: some 5 MB. */
const GENERATION = 50_000;

/**
 * The names of the addresses in the profiles that were made, for those who have addresses only: readers of Go's text ask
 * `symbol`. It keeps at least the last 50,000 and at most twice as many; one that is forgotten is unknown.
 *
 * @publicApi
 */
@Injectable()
export class SymbolTable {
  /** Two generations: when the younger is full, the older is forgotten. */
  private young = new Map<number, string>();
  private old: ReadonlyMap<number, string> = new Map();

  /** The name of the function at an address, if a profile had it. The text of a profile shows each address plus one. */
  nameOf(address: number): string | undefined {
    return this.find(address) ?? this.find(address - 1);
  }

  /** Keeps what a profile shows at an address. */
  remember({ address, functionName }: PlaceInCode): void {
    this.young.set(address, functionName);
    if (this.young.size < GENERATION) return;
    this.old = this.young;
    this.young = new Map();
  }

  private find(address: number): string | undefined {
    return this.young.get(address) ?? this.old.get(address);
  }
}
