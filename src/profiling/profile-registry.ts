import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { type ProfileSampleSource, profileSourceOf } from '../decorators/profile-source.decorator.js';
import { ProfilerArgumentError } from './errors.js';
import { ProfileMaker } from './profile-maker.js';
import { AllocsProfile } from './profiles/allocs.profile.js';
import { CustomProfile } from './profiles/custom.profile.js';
import { HeapProfile } from './profiles/heap.profile.js';
import type { NamedProfile } from './profiles/named-profile.js';
import { SourceProfile } from './profiles/source.profile.js';

/** Names that Go has, and that are no one's to take. */
const TAKEN = new Set([
  'block',
  'cmdline',
  'goroutine',
  'goroutineleak',
  'mutex',
  'profile',
  'symbol',
  'symbolz',
  'threadcreate',
  'trace',
]);

/**
 * The named profiles: Go's `pprof.Profiles`, `pprof.Lookup` and `pprof.NewProfile`.
 *
 * @publicApi
 */
@Injectable()
export class ProfileRegistry implements OnModuleInit {
  private readonly byName = new Map<string, NamedProfile>();

  constructor(
    private readonly maker: ProfileMaker,
    private readonly modules: ModulesContainer,
    allocs: AllocsProfile,
    heap: HeapProfile,
  ) {
    for (const profile of [allocs, heap]) this.byName.set(profile.name, profile);
  }

  /** Finds the profiles of the application's own: those of `forFeature`, and providers with `@ProfileSource`. */
  onModuleInit(): void {
    const seen = new Set<unknown>();
    for (const { providers } of this.modules.values()) {
      for (const { instance, metatype } of providers.values()) {
        if (!instance || seen.has(instance)) continue;
        seen.add(instance);
        const source = typeof metatype === 'function' ? profileSourceOf(metatype) : undefined;
        if (source) this.add(new SourceProfile(source, instance as ProfileSampleSource, this.maker));
        else if (instance instanceof CustomProfile) this.add(instance);
      }
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

  /**
   * A new profile of the application's own.
   *
   * @throws ProfilerArgumentError if the name is taken, or none
   */
  create(name: string, description: string): CustomProfile {
    const profile = new CustomProfile(name, description);
    this.add(profile);
    return profile;
  }

  private add(profile: NamedProfile): void {
    const { name } = profile;
    if (typeof name !== 'string' || !/^[^\s/][^\s]*$/.test(name)) {
      throw new ProfilerArgumentError(
        `a profile's name is ${JSON.stringify(name)}: it takes text without spaces`,
      );
    }
    if (this.byName.has(name) || TAKEN.has(name)) {
      throw new ProfilerArgumentError(`there is a profile "${name}" already`);
    }
    if (profile instanceof CustomProfile) profile.servedBy(this.maker);
    this.byName.set(name, profile);
  }
}
