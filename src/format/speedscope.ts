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

/** speedscope's name of a unit; it shows others as plain numbers. */
const UNITS: Readonly<Record<string, string>> = { nanoseconds: 'nanoseconds', bytes: 'bytes' };

/** The samples of one function stack, the root first. */
interface FunctionStack {
  readonly stack: readonly number[];
  /** In the order of the sample types. */
  readonly values: number[];
}

/**
 * A `.speedscope.json` with one profile for each sample type, of which the default one is shown first. Where a difference
 * has negative values, they are a profile of their own, `inuse_space freed`: a flame graph has no boxes below zero.
 */
export function* speedscopeText(name: string, profile: Profile): Generator<void, string[]> {
  const stacks = yield* functionStacks(profile);
  const types = profile.sampleTypes.flatMap((type, i) => [
    { title: type.type, type, i, sign: 1 },
    ...(stacks.some(({ values }) => values[i]! < 0)
      ? [{ title: `${type.type} freed`, type, i, sign: -1 }]
      : []),
  ]);
  const shown = profile.defaultSampleType || profile.sampleTypes.at(-1)!.type;
  const pieces = new Pieces();
  pieces.add('{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"nestjs-pprof"');
  pieces.add(`,"name":${JSON.stringify(name)}`);
  pieces.add(`,"activeProfileIndex":${types.findIndex(({ title }) => title === shown)}`);
  pieces.add(',"shared":{"frames":[');
  yield* writeFrames(pieces, profile);
  pieces.add(']},"profiles":[');
  for (const [n, { title, type, i, sign }] of types.entries()) {
    if (n > 0) pieces.add(',');
    const weighed = stacks
      .map(({ stack, values }) => ({ stack, weight: sign * values[i]! }))
      .filter(({ weight }) => weight > 0);
    yield* writeSamples(pieces, title, type, weighed);
  }
  pieces.add(']}');
  return pieces.all();
}

function* functionStacks({ samples, locations, sampleTypes }: Profile): Generator<void, FunctionStack[]> {
  const stacks = new Map<string, FunctionStack>();
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    const stack = [];
    for (let at = samples.stackStart[i + 1]! - 1; at >= samples.stackStart[i]!; at--)
      stack.push(locations.function[samples.stack[at]!]!);
    const key = stack.join();
    const values = samples.values.subarray(i * sampleTypes.length, (i + 1) * sampleTypes.length);
    const same = stacks.get(key);
    if (!same) stacks.set(key, { stack, values: [...values] });
    else for (const [type, value] of values.entries()) same.values[type]! += value;
  }
  return [...stacks.values()];
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

function* writeSamples(
  pieces: Pieces,
  title: string,
  { unit }: ValueType,
  weighed: readonly { stack: readonly number[]; weight: number }[],
): Generator<void, void> {
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  const head = { type: 'sampled', name: title, unit: UNITS[unit] ?? 'none', startValue: 0, endValue: total };
  pieces.add(`${JSON.stringify(head).slice(0, -1)},"samples":[`);
  for (const [n, { stack }] of weighed.entries()) {
    if (n % PIECE === 0) yield;
    pieces.add(`${n > 0 ? ',' : ''}[${stack.join()}]`);
  }
  pieces.add(`],"weights":[`);
  for (const [n, { weight }] of weighed.entries()) {
    if (n % PIECE === 0) yield;
    pieces.add(`${n > 0 ? ',' : ''}${weight}`);
  }
  pieces.add(']}');
}
