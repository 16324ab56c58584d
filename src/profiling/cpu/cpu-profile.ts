import { setImmediate } from 'node:timers/promises';
import { cpuProfileText } from '../../format/devtools.js';
import type { ProfileHeader } from '../../format/profile.js';
import type { CpuSamples, Sliced } from '../../sampling/sampler.js';
import { comments } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import type { CpuCaptureFacts } from './cpu-recording.js';
import {
  buildStackProfile,
  type FrameResolver,
  missingLines,
  type WeighedStack,
} from '../frames/frame-resolver.js';
import { runSliced } from '../loop.js';

const NOTHING = [0, 0];

/** What lines in the inspector's samples mean. */
const LINES =
  'the innermost frame shows the executing line; callers show the first line of their function (sampler=pprof: executing lines in every frame)';

/**
 * Builds the profile of a capture that has ended.
 *
 * @param stopped what `freeCpuCapture` returned
 */
export async function cpuProfileOf(
  facts: CpuCaptureFacts,
  stopped: Sliced<CpuSamples>,
  frames: FrameResolver,
  profileComments: readonly string[],
): Promise<CapturedProfile> {
  const { holds } = facts;
  await setImmediate(); // V8 has held the loop for long enough
  const samples = await runSliced(stopped, holds);
  holds.note(samples.longestHoldMs ?? 0);
  const places = await frames.resolve(samples.tree.frames, holds);
  const about = [...aboutSamples(facts, samples), ...missingLines(samples.tree.frames, places)];
  const header = headerOf(facts, samples, comments(profileComments, about));
  const profile = await runSliced(buildStackProfile(header, samples.tree, places, stacksOf(samples)), holds);
  return new CapturedProfile('profile', profile, holds, {
    devTools: { format: 'cpuprofile', text: () => cpuProfileText(samples, places) },
  });
}

function aboutSamples({ hz, sampler, notes }: CpuCaptureFacts, { weighed }: CpuSamples): string[] {
  return [
    `CPU samples of the main thread by ${sampler} at ${hz} Hz`,
    weighed,
    ...(sampler === 'inspector' ? [LINES] : []),
    ...notes,
  ];
}

function headerOf(
  { hz, timeNanos }: CpuCaptureFacts,
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

/** One stack per node. Time that V8 calls idle is not CPU time. */
function* stacksOf({ tree, hits, nanos, apart }: CpuSamples): Generator<WeighedStack> {
  for (let node = 0; node < nanos.length; node++) {
    const isIdle = tree.frames[tree.frameOf[node]!]!.functionName === '(idle)';
    yield { at: node, values: isIdle ? NOTHING : [hits[node] ?? 0, nanos[node]!] };
  }
  for (const { names, nanos } of apart) yield { at: names, values: [0, Math.max(nanos, 0)] };
}
