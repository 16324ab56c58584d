import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { AllocsProfile } from './heap/allocs.profile.js';
import { HeapProfiler } from './heap/heap-profiler.js';
import type { NamedProfile } from './named-profile.js';

/** The names of Go's profiles. */
export const GO_PROFILES = ['allocs', 'block', 'goroutine', 'goroutineleak', 'heap', 'mutex', 'threadcreate'];

/** All names that Go has at `/debug/pprof/`. */
export const GO_NAMES: ReadonlySet<string> = new Set([
  ...GO_PROFILES,
  'cmdline',
  'profile',
  'symbol',
  'symbolz',
  'trace',
]);

/** The library's profiles. A new one is a file in its folder, and a line here. */
export const PROFILES = [AllocsProfile, HeapProfiler];

/**
 * The named profiles: Go's `pprof.Profiles` and `pprof.Lookup`.
 *
 * @publicApi
 */
@Injectable()
export class ProfileRegistry implements OnModuleInit {
  private readonly byName = new Map<string, NamedProfile>();

  constructor(private readonly moduleRef: ModuleRef) {}

  onModuleInit(): void {
    for (const type of PROFILES) {
      const profile = this.moduleRef.get<NamedProfile>(type);
      this.byName.set(profile.name, profile);
    }
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
