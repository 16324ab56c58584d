import { Inject, Injectable } from '@nestjs/common';
import type { ProfileHeader, ValueType } from '../format/profile.js';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../pprof.constants.js';
import type { PlaceInCode } from '../format/profile-builder.js';
import { CallTreeBuilder } from '../sampling/call-tree-builder.js';
import type { CallTree, RawFrame } from '../sampling/sampler.js';
import { CapturedProfile } from './captured-profile.js';
import { comments, nowNanos } from './comments.js';
import { HoldMeter } from './hold-meter.js';
import { PlaceResolver } from './place-resolver.js';
import { runSliced } from './slices.js';
import { buildStackProfile, type WeighedStack } from './stack-profile.js';

/** A stack as it was called, innermost first, and what it weighs. */
export interface CountedStack {
  readonly stack: readonly RawFrame[];
  /** In the order of the sample types. */
  readonly values: readonly number[];
  readonly labels?: Readonly<Record<string, string | number>>;
}

/** What is told beside the samples. */
export interface ProfileDetails {
  /** Comments that are true of this profile alone. */
  readonly about?: readonly string[];
  /**
   * What `debug=2` shows.
   *
   * @param framesOf the resolved frames of a stack by its index, innermost first
   */
  readonly dump?: (framesOf: (stack: number) => readonly PlaceInCode[]) => Generator<void, string[]>;
}

/** Stacks between two yields. */
const SLICE = 100;

/** Makes profiles of stacks that were gathered one by one. */
@Injectable()
export class ProfileMaker {
  constructor(
    private readonly places: PlaceResolver,
    @Inject(PPROF_OPTIONS) private readonly options: Pick<ResolvedPprofOptions, 'profileComments'>,
  ) {}

  /**
   * Stacks that are the same become one sample.
   *
   * @param sampleTypes the first one is the period's type too, as Go has it in all profiles that count
   */
  async make(
    name: string,
    sampleTypes: readonly ValueType[],
    stacks: Iterable<CountedStack>,
    { about = [], dump }: ProfileDetails = {},
  ): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const header: ProfileHeader = {
      sampleTypes,
      defaultSampleType: '',
      periodType: sampleTypes[0]!,
      period: 1,
      timeNanos: nowNanos(),
      durationNanos: 0,
      comments: comments(this.options.profileComments, ...about),
    };
    const tree = new CallTreeBuilder();
    const weighed = await runSliced(nodesOf(tree, stacks), holds);
    const built = tree.build();
    const places = await this.places.resolve(built.frames, holds);
    const profile = await runSliced(buildStackProfile(header, built, places, weighed), holds);
    return new CapturedProfile(name, profile, holds, {
      dump: dump && (() => dump((stack) => framesOf(built, places, weighed[stack]!.at as number))),
    });
  }
}

function framesOf(
  { frameOf, parentOf }: CallTree,
  places: readonly PlaceInCode[],
  leaf: number,
): PlaceInCode[] {
  const frames: PlaceInCode[] = [];
  for (let node = leaf; node >= 0; node = parentOf[node]!) frames.push(places[frameOf[node]!]!);
  return frames;
}

function* nodesOf(tree: CallTreeBuilder, stacks: Iterable<CountedStack>): Generator<void, WeighedStack[]> {
  const nodes: WeighedStack[] = [];
  let count = 0;
  for (const { stack, values, labels } of stacks) {
    if (++count % SLICE === 0) yield;
    const at = stack.reduceRight((parent, frame) => tree.callee(parent, frame), -1);
    nodes.push({ at, values, labels });
  }
  return nodes;
}
