import { isMainThread } from 'node:worker_threads';
import { takeHeapSnapshot } from './heap-snapshot.js';
import { inspectorProblem } from './inspector-session.js';
import { inspectorSampling } from './inspector.sampler.js';
import { loopWatcher } from './loop-watch.js';
import { type PprofPackage, pprofSampling } from './pprof.sampler.js';
import { reasonOf } from './reason.js';
import type { SamplerName, Sampling } from './sampler.js';
import { insteadOfWarm, nodeProfiles, warmCpu, warmProfiler } from './warm-profiler.js';

/** A choice, and what operators should know of it. */
export interface SamplingChoice {
  readonly sampling: Sampling;
  /** What does not work in this process, why, and what helps; undefined if all does. */
  readonly notice?: string | undefined;
}

const NEEDS_INSPECTOR =
  'allocs, sampler=inspector, format=cpuprofile and names of classes are off, and the alloc_* values of heap';

/** Which sampler, and whether captures of the CPU leave the profiler running. */
export interface WantedSampling {
  readonly sampler: 'auto' | SamplerName;
  readonly warm: boolean;
}

/**
 * Finds the sampler that the options name: `auto` takes `pprof` where it could be built and else the inspector. Where there
 * is no inspector either, its samplers do not start and say why. Only the inspector can keep the profiler warm, so then `auto`
 * is the inspector for the CPU.
 *
 * @throws Error if `pprof` is named and cannot be loaded
 */
export async function chooseSampler(
  { sampler: wanted, warm }: WantedSampling,
  load: () => Promise<PprofPackage> = loadPprof,
): Promise<SamplingChoice> {
  const problem = inspectorProblem();
  const cold = problem ?? nodeProfiles();
  const isWarm = warm && cold === undefined;
  const watchLoop = loopWatcher(isWarm ? undefined : (cold ?? "the option warm is 'off'"));
  const warmth = { ...(isWarm ? { warm: warmProfiler } : { cold }), watchLoop, takeHeapSnapshot };
  const byInspector = {
    ...inspectorSampling,
    ...warmth,
    cpu: isWarm ? warmCpu : insteadOfWarm(inspectorSampling.cpu),
  };
  if (wanted === 'inspector') {
    return { sampling: byInspector, notice: problem && `No CPU and heap profiles: ${problem}.` };
  }
  try {
    const byPprof = pprofSampling(await load());
    const cpu = isWarm && wanted === 'auto' ? warmCpu : insteadOfWarm(byPprof.cpu);
    const sampling = { ...byPprof, ...warmth, cpu };
    return { sampling, notice: problem && `${problem}. Without it ${NEEDS_INSPECTOR}.` };
  } catch (error) {
    const reason = reasonOf(error);
    if (wanted === 'pprof') {
      throw new Error(`PprofModule: the sampler "pprof" cannot be loaded (${reason})`, { cause: error });
    }
    const missing = `optional package pprof cannot be loaded (${reason})`;
    if (problem) {
      const problems = `${problem}; the ${missing}`;
      return { sampling: noSampling(problems), notice: `No CPU and heap profiles: ${problems}.` };
    }
    return {
      sampling: byInspector,
      notice: `The ${missing}: sampling with node:inspector instead.`,
    };
  }
}

/** Fails to start, for a reason. */
function noSampling(reason: string): Sampling {
  const start = (): never => {
    throw new Error(reason);
  };
  const watchLoop = loopWatcher(reason);
  return {
    name: 'inspector',
    cpu: { name: 'inspector', start },
    startHeap: start,
    cold: reason,
    watchLoop,
    takeHeapSnapshot,
  };
}

async function loadPprof(): Promise<PprofPackage> {
  if (!isMainThread) throw new Error('it works in the main thread only');
  return {
    time: await importCommonJs('pprof/out/src/time-profiler.js'), // the package itself loads twice as much
    timeBindings: await importCommonJs('pprof/out/src/time-profiler-bindings.js'),
    heapBindings: await importCommonJs('pprof/out/src/heap-profiler-bindings.js'),
  };
}

/** By a name that is no literal: the package is optional, and no compiler or bundler is to insist on it. */
async function importCommonJs<T>(name: string): Promise<T> {
  const module = (await import(name)) as T & { default?: T };
  return module.default ?? module;
}
