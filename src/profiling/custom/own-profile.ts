import type { ValueType } from '../../format/profile.js';
import type { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { ProfilerCollectError } from '../errors.js';
import type { FrameResolver } from '../frames/frame-resolver.js';
import { countsHeader, profileOfSamples } from '../frames/stack-samples.js';
import { HoldMeter } from '../loop.js';
import { type CollectOptions, NamedProfile } from '../named-profile.js';
import { CustomProfile } from './custom-profile.js';
import type { ProfileSampleSource, ProfileSourceOptions } from './profile-source.js';

/** Serves a {@link CustomProfile} or a provider with `@ProfileSource` as a named profile. */
export class OwnProfile extends NamedProfile {
  readonly name: string;
  readonly description: string;
  override readonly hasWindows: boolean;
  private readonly sampleTypes: readonly ValueType[];

  constructor(
    { name, description, cumulative = false, sampleTypes }: ProfileSourceOptions,
    private readonly source: ProfileSampleSource,
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(log);
    this.name = name;
    this.description = description;
    this.hasWindows = cumulative;
    this.sampleTypes = sampleTypes ?? [{ type: name, unit: 'count' }];
  }

  override count(): number {
    return this.source instanceof CustomProfile ? this.source.count() : super.count();
  }

  override get isCounted(): boolean {
    return this.source instanceof CustomProfile || super.isCounted;
  }

  /**
   * @internal
   * @throws ProfilerCollectError if the source fails
   */
  override async take(options?: CollectOptions): Promise<CapturedProfile> {
    try {
      return await super.take(options);
    } catch (cause) {
      throw new ProfilerCollectError(new Error(`cannot read profile ${this.name}`, { cause }));
    }
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const header = countsHeader(this.sampleTypes, this.log.comments([]));
    const samples = holds.time(() => [...this.source.samples()]);
    const profile = await profileOfSamples(header, samples, this.frames, holds);
    return new CapturedProfile(this.name, profile, holds);
  }
}
