/**
 * The JSON that speedscope draws as a flame graph. A frame is a function, not a line of one: speedscope draws a box for
 * each frame, and with lines one function would be many boxes.
 *
 * @see https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources
 */
import { Pieces } from './pieces.js';
import type { Profile, ValueType } from './profile.js';

/** Samples and frames between two yields. */
const PIECE = 200;

/** The units that speedscope knows. */
const UNITS: ReadonlySet<string> = new Set([
  'nanoseconds',
  'microseconds',
  'milliseconds',
  'seconds',
  'bytes',
]);

/** Values in the order of the sample types, by stack: indexes of functions, the root first, joined by commas. */
type FunctionStacks = ReadonlyMap<string, number[]>;

/** One of the profiles of the file: the positive values of a sample type, or the negative ones. */
interface WeighedProfile {
  readonly title: string;
  readonly unit: string;
  readonly weightOf: (values: readonly number[]) => number;
}

/**
 * A `.speedscope.json` with one profile for each sample type, of which the default one is shown first. Where a difference
 * has negative values, they are a profile of their own, `inuse_space freed`: a flame graph has no boxes below zero.
 */
export function* speedscopeText(name: string, profile: Profile): Generator<void, string[]> {
  const stacks = yield* functionStacks(profile);
  const profiles = yield* profilesOf(profile.sampleTypes, stacks);
  const shown = profile.defaultSampleType || profile.sampleTypes.at(-1)!.type;
  const pieces = new Pieces();
  pieces.add('{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"nestjs-pprof"');
  pieces.add(`,"name":${JSON.stringify(name)}`);
  pieces.add(`,"activeProfileIndex":${profiles.findIndex(({ title }) => title === shown)}`);
  pieces.add(',"shared":{"frames":[');
  yield* writeFrames(pieces, profile);
  pieces.add(']},"profiles":[');
  for (const [n, one] of profiles.entries()) {
    if (n > 0) pieces.add(',');
    yield* writeProfile(pieces, one, stacks);
  }
  pieces.add(']}');
  return pieces.all();
}

function* functionStacks({ samples, locations, sampleTypes }: Profile): Generator<void, FunctionStacks> {
  const stacks = new Map<string, number[]>();
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    const stack = [];
    for (let at = samples.stackStart[i + 1]! - 1; at >= samples.stackStart[i]!; at--)
      stack.push(locations.function[samples.stack[at]!]!);
    const key = stack.join();
    const values = samples.values.subarray(i * sampleTypes.length, (i + 1) * sampleTypes.length);
    const same = stacks.get(key);
    if (!same) stacks.set(key, [...values]);
    else for (const [type, value] of values.entries()) same[type]! += value;
  }
  return stacks;
}

function* profilesOf(types: readonly ValueType[], stacks: FunctionStacks): Generator<void, WeighedProfile[]> {
  const profiles: WeighedProfile[] = [];
  for (const [i, { type: title, unit }] of types.entries()) {
    profiles.push({ title, unit, weightOf: (values) => values[i]! });
    if (yield* hasNegative(stacks, i))
      profiles.push({ title: `${title} freed`, unit, weightOf: (values) => -values[i]! });
  }
  return profiles;
}

function* hasNegative(stacks: FunctionStacks, type: number): Generator<void, boolean> {
  let seen = 0;
  for (const values of stacks.values()) {
    if (seen++ % PIECE === 0) yield;
    if (values[type]! < 0) return true;
  }
  return false;
}

function* writeFrames(pieces: Pieces, { functions, strings }: Profile): Generator<void, void> {
  for (let i = 0; i < functions.length; i++) {
    if (i % PIECE === 0) yield;
    const file = strings[functions.filename[i]!]!;
    const line = functions.startLine[i]!;
    const frame = { name: strings[functions.name[i]!]!, ...(file && { file }), ...(line && { line }) };
    pieces.add(`${i > 0 ? ',' : ''}${JSON.stringify(frame)}`);
  }
}

function* writeProfile(
  pieces: Pieces,
  { title, unit, weightOf }: WeighedProfile,
  stacks: FunctionStacks,
): Generator<void, void> {
  const head = { type: 'sampled', name: title, unit: UNITS.has(unit) ? unit : 'none', startValue: 0 };
  pieces.add(`${JSON.stringify(head).slice(0, -1)},"samples":[`);
  const weights = new Pieces();
  let total = 0;
  let seen = 0;
  for (const [stack, values] of stacks) {
    if (seen++ % PIECE === 0) yield;
    const weight = weightOf(values);
    if (weight <= 0) continue;
    const comma = total > 0 ? ',' : '';
    pieces.add(`${comma}[${stack}]`);
    weights.add(`${comma}${weight}`);
    total += weight;
  }
  pieces.add('],"weights":[');
  for (const piece of weights.all()) pieces.add(piece);
  pieces.add(`],"endValue":${total}}`);
}
