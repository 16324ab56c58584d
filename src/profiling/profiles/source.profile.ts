import type {
  ProfileSampleSource,
  ProfileSourceOptions,
  SourceFrame,
} from '../../decorators/profile-source.decorator.js';
import type { RawFrame } from '../../sampling/sampler.js';
import type { CapturedProfile } from '../captured-profile.js';
import { differenceWindow } from '../difference-window.js';
import type { ProfileMaker } from '../profile-maker.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** A profile whose samples a provider of the application computes. */
export class SourceProfile extends NamedProfile {
  readonly name: string;
  readonly description: string;

  constructor(
    private readonly options: ProfileSourceOptions,
    private readonly source: ProfileSampleSource,
    private readonly maker: ProfileMaker,
  ) {
    super();
    this.name = options.name;
    this.description = options.description;
  }

  override get hasWindows(): boolean {
    return this.options.cumulative === true;
  }

  override async openWindow(): Promise<ProfileWindow | undefined> {
    return this.hasWindows ? differenceWindow(() => this.collect()) : undefined;
  }

  protected async take(): Promise<CapturedProfile> {
    const { name, sampleTypes = [{ type: name, unit: 'count' }] } = this.options;
    const samples = Array.from(await this.source.samples(), (sample) => {
      if (sample.values.length !== sampleTypes.length) {
        throw new Error(
          `the profile ${name} has ${sampleTypes.length} sample types, and its source gave a sample with ${sample.values.length} values`,
        );
      }
      return { ...sample, stack: sample.stack.map(frameOf) };
    });
    return this.maker.make(name, sampleTypes, samples);
  }
}

function frameOf(frame: SourceFrame): RawFrame {
  const { name, filename, line } = typeof frame === 'string' ? { name: frame, filename: '', line: 0 } : frame;
  return { functionName: name, url: filename, scriptId: 0, functionLine: 0, functionColumn: 0, line };
}
