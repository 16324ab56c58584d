import type { Frame, Labels, ProfileHeader, ValueType } from '../../format/profile.js';
import { CallTreeBuilder } from '../../sampling/call-tree-builder.js';
import type { CallTree, RawFrame } from '../../sampling/sampler.js';
import { CapturedProfile, type Captures } from '../capture.js';
import { ProfilerCollectError } from '../errors.js';
import { buildStackProfile, type FrameResolver, type WeighedStack } from '../frames/frame-resolver.js';
import { HoldMeter, nowNanos, runSliced } from '../loop.js';
import { type CollectOptions, NamedProfile } from '../named-profile.js';
import { CustomProfile } from './custom-profile.js';
import type { ProfileSampleSource, ProfileSourceOptions, SourceSample } from './profile-source.js';

/** Samples between two yields. */
const SLICE = 50;

/** Serves what the application tracks: a {@link CustomProfile}, or a provider with `@ProfileSource`. */
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

  /**
   * @internal
   * @throws ProfilerCollectError if the source fails
   */
  override async take(options?: CollectOptions): Promise<CapturedProfile> {
    try {
      return await super.take(options);
    } catch (cause) {
      throw new ProfilerCollectError(new Error(`profile ${this.name} cannot be read`, { cause }));
    }
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const header = this.header();
    const samples = holds.time(() => [...this.source.samples()]);
    const { tree, stacks } = await runSliced(weighed(samples, this.sampleTypes.length), holds);
    const places = await this.frames.resolve(tree.frames, holds);
    const profile = await runSliced(buildStackProfile(header, tree, places, stacks), holds);
    return new CapturedProfile(this.name, profile, holds);
  }

  private header(): ProfileHeader {
    return {
      sampleTypes: this.sampleTypes,
      defaultSampleType: '',
      periodType: this.sampleTypes[0]!,
      period: 1,
      timeNanos: nowNanos(),
      durationNanos: 0,
      comments: this.log.comments([]),
    };
  }
}

function* weighed(
  samples: readonly SourceSample[],
  width: number,
): Generator<void, { readonly tree: CallTree; readonly stacks: readonly WeighedStack[] }> {
  const tree = new CallTreeBuilder();
  const stacks: WeighedStack[] = [];
  for (const [i, { stack = [], values, labels = {} }] of samples.entries()) {
    if (i % SLICE === 0) yield;
    if (!Array.isArray(stack)) throw invalid(`stack ${String(stack)}`, 'a list of frames');
    const at = stack.reduceRight<number>((caller, frame) => tree.callee(caller, rawFrame(frame)), -1);
    stacks.push({ at, values: checkedValues([values].flat(), width), labels: checkedLabels(labels) });
  }
  return { tree: tree.build(), stacks };
}

function checkedValues(values: readonly number[], width: number): readonly number[] {
  if (values.length !== width) throw invalid(`${values.length} values`, `${width}, one for each sample type`);
  const wrong = values.findIndex((value) => !isNumber(value));
  if (wrong >= 0) throw invalid(`value ${String(values[wrong])}`, 'a number within 2^53');
  return values;
}

function checkedLabels(labels: Labels): Labels {
  const wrong = Object.entries(labels).find(
    ([, value]) => typeof value !== 'string' && !Number.isSafeInteger(value),
  );
  if (wrong)
    throw invalid(`label ${wrong[0]}: ${String(wrong[1])}`, 'a string, or a whole number within 2^53');
  return labels;
}

/** Sums of these still fit in the 64 bits of a profile's values. */
function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

function invalid(what: string, expected: string): Error {
  return new TypeError(`a sample of the profile source has ${what}: expected ${expected}`);
}

function rawFrame(frame: Frame | string): RawFrame {
  const { name, filename, line } = typeof frame === 'string' ? { name: frame, filename: '', line: 0 } : frame;
  const wrong = [name, filename].find((text) => typeof text !== 'string');
  if (wrong !== undefined) throw invalid(`a frame with ${String(wrong)}`, 'a name and a filename');
  if (!(Number.isInteger(line) && line >= 0 && line < 2 ** 31))
    throw invalid(`line ${String(line)}`, 'a whole number from 0');
  return { functionName: name, url: filename, scriptId: 0, functionLine: 0, functionColumn: 0, line };
}
