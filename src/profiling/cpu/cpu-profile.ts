import { setImmediate } from 'node:timers/promises';
import { cpuProfileText } from '../../format/devtools.js';
import type { ProfileHeader } from '../../format/profile.js';
import type { CpuSamples } from '../../sampling/sampler.js';
import { CapturedProfile, comments } from '../capture.js';
import { type CpuCapture, freeCpuCapture } from './cpu-recording.js';
import {
  buildStackProfile,
  type FrameResolver,
  missingLines,
  type WeighedStack,
} from '../frames/frame-resolver.js';
import { runSliced } from '../loop.js';

/** From V8 12 on; see docs/profiles.md. */
const BLIND_SPOT =
  Number.parseInt(process.versions.v8, 10) >= 12
    ? ['code that V8 replaced on the stack before the capture may count for its caller: gc=1 avoids that']
    : [];

const NOTHING = [0, 0];

/**
 * Ends a capture and makes a profile of its samples.
 *
 * @param stopped what ending it returned, if that has been done
 */
export async function endCpuCapture(
  capture: CpuCapture,
  frames: FrameResolver,
  profileComments: readonly string[],
  stopped = freeCpuCapture(capture),
): Promise<CapturedProfile> {
  const { holds } = capture;
  await setImmediate(); // V8 has held the loop for long enough
  const samples = await runSliced(stopped, holds);
  const places = await frames.resolve(samples.tree.frames, holds);
  const about = [...aboutSamples(capture, samples), ...missingLines(samples.tree.frames, places)];
  const header = headerOf(capture, samples, comments(profileComments, about));
  const profile = await runSliced(buildStackProfile(header, samples.tree, places, stacksOf(samples)), holds);
  return new CapturedProfile('profile', profile, holds, {
    devToolsText: () => cpuProfileText(samples, places),
  });
}

function aboutSamples({ hz, sampler, afterGc }: CpuCapture, { weighed }: CpuSamples): string[] {
  return [
    `CPU samples of the main thread by ${sampler} at ${hz} Hz`,
    weighed,
    ...(afterGc ? [] : BLIND_SPOT),
  ];
}

function headerOf(
  { hz, timeNanos }: CpuCapture,
  { durationNanos }: CpuSamples,
  allComments: readonly string[],
): ProfileHeader {
  return {
    sampleTypes: [
      { type: 'samples', unit: 'count' },
      { type: 'cpu', unit: 'nanoseconds' },
    ],
    defaultSampleType: '',
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: Math.round(1e9 / hz),
    timeNanos,
    durationNanos,
    comments: allComments,
  };
}

/** One for each node. Time that V8 calls idle is no CPU time. */
function* stacksOf({ tree, hits, nanos, apart }: CpuSamples): Generator<WeighedStack> {
  for (let node = 0; node < nanos.length; node++) {
    const isIdle = tree.frames[tree.frameOf[node]!]!.functionName === '(idle)';
    yield { at: node, values: isIdle ? NOTHING : [hits[node] ?? 0, nanos[node]!] };
  }
  for (const { names, nanos } of apart) yield { at: names, values: [0, Math.max(nanos, 0)] };
}
