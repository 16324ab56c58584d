import type {
  ProfileSampleSource,
  ProfileSourceOptions,
  SourceFrame,
  SourceSample,
} from '../../decorators/profile-source.decorator.js';
import type { RawFrame } from '../../sampling/sampler.js';
import type { CapturedProfile } from '../captured-profile.js';
import { differenceWindow } from '../difference-window.js';
import type { CountedStack, ProfileMaker } from '../profile-maker.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

const BEYOND_INT64 = 2 ** 63;

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
    const samples = [...(await this.source.samples())];
    const stacks = samples.map((sample) => countedStack(name, sampleTypes.length, sample));
    return this.maker.make(name, sampleTypes, stacks);
  }
}

/** @throws Error for what no profile can hold */
function countedStack(profile: string, width: number, { stack, values, labels }: SourceSample): CountedStack {
  if (values.length !== width) {
    throw new Error(
      `the profile ${profile} has ${width} sample types, and its source gave a sample with ${values.length} values`,
    );
  }
  const numbers: unknown[] = Object.values(labels ?? {}).filter((label) => typeof label !== 'string');
  for (const number of [...values, ...numbers]) {
    if (!isInt64(number))
      throw new Error(`the profile ${profile} takes 64-bit numbers, and its source gave ${String(number)}`);
  }
  return { stack: stack.map(frameOf), values, labels };
}

function isInt64(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) < BEYOND_INT64;
}

function frameOf(frame: SourceFrame): RawFrame {
  const { name, filename, line } = typeof frame === 'string' ? { name: frame, filename: '', line: 0 } : frame;
  return { functionName: name, url: filename, scriptId: 0, functionLine: 0, functionColumn: 0, line };
}
