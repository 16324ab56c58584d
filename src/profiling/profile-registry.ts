import { Injectable } from '@nestjs/common';
import { HeapProfile } from './profiles/heap.profile.js';
import type { NamedProfile } from './profiles/named-profile.js';

/**
 * The named profiles: Go's `pprof.Profiles` and `pprof.Lookup`.
 *
 * @publicApi
 */
@Injectable()
export class ProfileRegistry {
  private readonly byName: ReadonlyMap<string, NamedProfile>;

  constructor(heap: HeapProfile) {
    this.byName = new Map([heap].map((profile) => [profile.name, profile]));
  }

  /** All of them, in byte order of their names. */
  profiles(): NamedProfile[] {
    return [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The profile of that name, if there is one. */
  lookup(name: string): NamedProfile | undefined {
    return this.byName.get(name);
  }
}
