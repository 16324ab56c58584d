import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import {
  type ProfileSampleSource,
  profileSourceOf,
  type ProfileSourceOptions,
} from '../decorators/profile-source.decorator.js';
import { ProfilerArgumentError } from './errors.js';
import { ProfileMaker } from './profile-maker.js';
import { AllocsProfile } from './profiles/allocs.profile.js';
import { BlockProfile } from './profiles/block.profile.js';
import { CustomProfile } from './profiles/custom.profile.js';
import { GoroutineProfile } from './profiles/goroutine.profile.js';
import { GoroutineLeakProfile } from './profiles/goroutineleak.profile.js';
import { HeapProfile } from './profiles/heap.profile.js';
import { MutexProfile } from './profiles/mutex.profile.js';
import type { NamedProfile } from './profiles/named-profile.js';
import { SourceProfile } from './profiles/source.profile.js';
import { ThreadCreateProfile } from './profiles/threadcreate.profile.js';

/** Names that Go has, and that are no one's to take. */
const TAKEN = new Set(['cmdline', 'profile', 'symbol', 'symbolz', 'trace']);

/** Visible letters; no slash at its begin and no segment of dots alone: clients resolve these before they send a path. */
const NAME = /^(?!\/)(?!(.*\/)?\.{1,2}(\/|$))[^\s\p{Cc}\p{Cs}]+$/u;

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
    block: BlockProfile,
    goroutine: GoroutineProfile,
    goroutineleak: GoroutineLeakProfile,
    heap: HeapProfile,
    mutex: MutexProfile,
    threadcreate: ThreadCreateProfile,
  ) {
    const all = [allocs, block, goroutine, goroutineleak, heap, mutex, threadcreate];
    for (const profile of all) this.byName.set(profile.name, profile);
  }

  /** Finds the profiles of the application's own: those of `forFeature`, and providers with `@ProfileSource`. */
  onModuleInit(): void {
    const seen = new Set<unknown>();
    for (const { providers } of this.modules.values()) {
      for (const wrapper of providers.values()) {
        const instance: unknown = wrapper.instance;
        if (!instance || seen.has(instance)) continue;
        seen.add(instance);
        const source = sourceOptionsOf(instance);
        if (instance instanceof CustomProfile) this.add(instance);
        else if (source) {
          if (wrapper.isTransient || !wrapper.isDependencyTreeStatic())
            throw new ProfilerArgumentError(
              `the profile source ${wrapper.name} has a scope: no request reads it`,
            );
          this.add(new SourceProfile(source, instance as ProfileSampleSource, this.maker));
        }
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
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new ProfilerArgumentError(
        `a profile's name is ${JSON.stringify(name)}: it takes visible letters, such as "db_connections" or "example.com/jobs"`,
      );
    }
    if (this.byName.has(name) || TAKEN.has(name)) {
      throw new ProfilerArgumentError(`there is a profile "${name}" already`);
    }
    if (profile instanceof CustomProfile) profile.servedBy(this.maker);
    this.byName.set(name, profile);
  }
}

/** The options of a provider's class, which a factory may have made an instance of. */
function sourceOptionsOf(instance: unknown): ProfileSourceOptions | undefined {
  const { constructor } = Object(instance) as Partial<object>;
  return typeof constructor === 'function' ? profileSourceOf(constructor) : undefined;
}
