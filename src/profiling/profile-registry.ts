import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, ModuleRef, ModulesContainer } from '@nestjs/core';
import { BlockProfile } from './async/block.profile.js';
import { GoroutineProfile } from './async/goroutine.profile.js';
import { GoroutineLeakProfile } from './async/goroutineleak.profile.js';
import { Captures } from './capture.js';
import { CustomProfile } from './custom/custom-profile.js';
import { OwnProfile } from './custom/own-profile.js';
import { type ProfileSampleSource, sourceOptionsOf } from './custom/profile-source.js';
import { ProfilerArgumentError } from './errors.js';
import { FrameResolver } from './frames/frame-resolver.js';
import { AllocsProfile } from './heap/allocs.profile.js';
import { HeapProfiler } from './heap/heap-profiler.js';
import type { NamedProfile } from './named-profile.js';
import { ThreadCreateProfile } from './threads/threadcreate.profile.js';
import { MutexProfile } from './threads/mutex.profile.js';

/** The names of Go's profiles. */
export const GO_PROFILES = ['allocs', 'block', 'goroutine', 'goroutineleak', 'heap', 'mutex', 'threadcreate'];

/** All names under `/debug/pprof/` in Go. */
export const GO_NAMES: ReadonlySet<string> = new Set([
  ...GO_PROFILES,
  'cmdline',
  'profile',
  'symbol',
  'symbolz',
  'trace',
]);

/** The built-in profiles. To add one, add a file in its folder and a line here. */
export const PROFILES = [
  AllocsProfile,
  BlockProfile,
  GoroutineLeakProfile,
  GoroutineProfile,
  HeapProfiler,
  MutexProfile,
  ThreadCreateProfile,
];

/** Profiles created with `newProfile`, which all modules of an application serve. */
const madeInCode = new WeakMap<ModulesContainer, Set<CustomProfile>>();

/**
 * The named profiles, as Go's `pprof.Profiles`, `pprof.Lookup` and `pprof.NewProfile`.
 *
 * @publicApi
 */
@Injectable()
export class ProfileRegistry implements OnModuleInit {
  private readonly byName = new Map<string, NamedProfile>();
  private readonly reserved = new Set(GO_NAMES);
  private readonly made: Set<CustomProfile>;

  /** @internal */
  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly discovery: DiscoveryService,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
    container: ModulesContainer,
  ) {
    this.made = madeInCode.get(container) ?? new Set();
    madeInCode.set(container, this.made);
  }

  /** @throws Error if two profiles have the same name, or a profile source is request-scoped or transient */
  onModuleInit(): void {
    for (const type of PROFILES) {
      const profile = this.moduleRef.get<NamedProfile>(type);
      this.byName.set(profile.name, profile);
    }
    this.addMade();
    for (const source of sourcesIn(this.discovery)) this.add(source);
  }

  /** All profiles, sorted by name in byte order. */
  profiles(): NamedProfile[] {
    this.addMade();
    return [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The profile with that name; undefined if there is none. */
  lookup(name: string): NamedProfile | undefined {
    this.addMade();
    return this.byName.get(name);
  }

  /**
   * Creates a custom profile.
   *
   * @throws ProfilerArgumentError if the name is invalid or taken
   */
  create(name: string, description: string): CustomProfile {
    const profile = new CustomProfile({ name, description });
    this.addMade();
    this.add(profile);
    this.made.add(profile);
    return profile;
  }

  /**
   * Reserves names that profiles can't use.
   *
   * @internal
   */
  reserve(names: Iterable<string>): void {
    for (const name of names) this.reserved.add(name);
  }

  /** Adds profiles that another module has created in the meantime. */
  private addMade(): void {
    for (const profile of this.made) if (!this.byName.has(profile.name)) this.add(profile);
  }

  private add(source: ProfileSampleSource): void {
    const options = sourceOptionsOf(source)!;
    const { name } = options;
    if (this.reserved.has(name) || this.byName.has(name))
      throw new ProfilerArgumentError(`profile name "${name}" is taken`);
    this.byName.set(name, new OwnProfile(options, source, this.frames, this.captures));
  }
}

/** The profiles of `forFeature` and the providers with `@ProfileSource`, without duplicates. */
function sourcesIn(discovery: DiscoveryService): Set<ProfileSampleSource> {
  const wrappers = discovery.getProviders().filter(({ instance }) => sourceOptionsOf(instance));
  const scoped = wrappers.find((wrapper) => wrapper.isTransient || !wrapper.isDependencyTreeStatic());
  if (scoped) throw new Error(`profile source ${scoped.name} must not be request-scoped or transient`);
  return new Set(wrappers.map(({ instance }) => instance as ProfileSampleSource));
}
