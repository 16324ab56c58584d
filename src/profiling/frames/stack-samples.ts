import type { Frame, Labels, Profile, ProfileHeader, ValueType } from '../../format/profile.js';
import { CallTreeBuilder } from '../../sampling/call-tree-builder.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import type { CallTree, RawFrame } from '../../sampling/sampler.js';
import type { SourceSample } from '../custom/profile-source.js';
import type { KeyedSample } from '../stack-totals.js';
import { type HoldMeter, nowNanos, runSliced } from '../loop.js';
import type { PlaceInCode } from '../../format/builder.js';
import { buildStackProfile, type FrameResolver, type WeighedStack } from './frame-resolver.js';

/** Samples between two yields. */
const SLICE = 50;

/** Samples with their resolved frames. */
export interface ResolvedSamples {
  readonly tree: CallTree;
  readonly places: readonly PlaceInCode[];
  readonly stacks: readonly WeighedStack[];
}

/**
 * Builds a profile from samples whose stacks are lists of frames.
 *
 * @throws TypeError if a sample is invalid
 */
export async function profileOfSamples(
  header: ProfileHeader,
  samples: readonly SourceSample[],
  frames: FrameResolver,
  holds: HoldMeter,
): Promise<Profile> {
  return profileOf(header, await resolveSamples(samples, header.sampleTypes.length, frames, holds), holds);
}

/** Resolves the frames of samples. */
export async function resolveSamples(
  samples: readonly SourceSample[],
  width: number,
  frames: FrameResolver,
  holds: HoldMeter,
): Promise<ResolvedSamples> {
  const { tree, stacks } = await runSliced(weighed(samples, width), holds);
  return { tree, stacks, places: await frames.resolve(tree.frames, holds) };
}

export function profileOf(
  header: ProfileHeader,
  { tree, places, stacks }: ResolvedSamples,
  holds: HoldMeter,
): Promise<Profile> {
  return runSliced(buildStackProfile(header, tree, places, stacks), holds);
}

/** The resolved stacks of samples, by key. Equal frames are the same object. Yields now and then. */
export function* framesByKey(
  samples: readonly KeyedSample[],
  { tree, places, stacks }: ResolvedSamples,
): Generator<void, Map<string, Frame[]>> {
  const frames: Frame[] = [];
  const byKey = new Map<string, Frame[]>();
  for (const [i, { key }] of samples.entries()) {
    if (i % SLICE === 0) yield;
    const stack: Frame[] = [];
    for (let node = stacks[i]!.at as number; node >= 0; node = tree.parentOf[node]!)
      stack.push((frames[tree.frameOf[node]!] ??= frameOf(places[tree.frameOf[node]!]!)));
    byKey.set(key, stack);
  }
  return byKey;
}

function frameOf({ functionName: name, filename, line }: PlaceInCode): Frame {
  return { name, filename, line };
}

/** Sample types of waits: number and duration. */
export const CONTENTIONS: readonly ValueType[] = [
  { type: 'contentions', unit: 'count' },
  { type: 'delay', unit: 'nanoseconds' },
];

/** Header of a profile that is not captured over time: its period is one of the first sample type. */
export function countsHeader(sampleTypes: readonly ValueType[], comments: readonly string[]): ProfileHeader {
  return {
    sampleTypes,
    defaultSampleType: '',
    periodType: sampleTypes[0]!,
    period: 1,
    timeNanos: nowNanos(),
    durationNanos: 0,
    comments,
  };
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

/** Limited so that sums fit into the 64 bits of a profile's values. */
function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

function invalid(what: string, expected: string): Error {
  return new TypeError(`invalid sample of a profile source: ${what}, expected ${expected}`);
}

function rawFrame(frame: Frame | string): RawFrame {
  const { name, filename, line, column }: CallerFrame =
    typeof frame === 'string' ? { name: frame, filename: '', line: 0 } : frame;
  const wrong = [name, filename].find((text) => typeof text !== 'string');
  if (wrong !== undefined) throw invalid(`a frame with ${String(wrong)}`, 'strings as name and filename');
  if (!isLine(line)) throw invalid(`line ${String(line)}`, 'a whole number from 0');
  const raw = { functionName: name, url: filename, scriptId: 0, functionLine: 0, functionColumn: 0, line };
  return isLine(column) ? { ...raw, column } : raw;
}

/** Also checks columns. */
function isLine(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}
