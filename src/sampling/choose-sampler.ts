import { isMainThread } from 'node:worker_threads';
import { takeHeapSnapshot } from './heap-snapshot.js';
import { inspectorProblem } from './inspector-session.js';
import { inspectorSampling } from './inspector.sampler.js';
import { loopWatcher } from './loop-watch.js';
import { type PprofPackage, pprofSampling } from './pprof.sampler.js';
import { reasonOf } from './reason.js';
import type { SamplerName, Sampling } from './sampler.js';
import { insteadOfWarm, nodeProfiles, warmCpu, warmProfiler } from './warm-profiler.js';

const NEEDS_INSPECTOR =
  'allocs, sampler=inspector, format=cpuprofile and names of classes are off, and the alloc_* values of heap';

/** Which sampler, and whether the profiler keeps running after a capture of the CPU. */
export interface WantedSampling {
  readonly sampler: 'auto' | SamplerName;
  readonly warm: boolean;
}

/**
 * Finds the sampler that the options name. `auto` is `pprof` if that can be loaded, otherwise the inspector; for the CPU it is the
 * inspector if the profiler is to stay warm, which only the inspector can do. If neither works, the samplers throw the reason when
 * they are started.
 *
 * @throws Error if `pprof` is named and cannot be loaded
 */
export async function chooseSampler(
  { sampler: wanted, warm }: WantedSampling,
  load: () => Promise<PprofPackage> = loadPprof,
): Promise<Sampling> {
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
    return problem ? { ...byInspector, notice: { kind: 'none', text: problem } } : byInspector;
  }
  try {
    const byPprof = pprofSampling(await load());
    const cpu = isWarm && wanted === 'auto' ? warmCpu : insteadOfWarm(byPprof.cpu);
    const sampling = { ...byPprof, ...warmth, cpu };
    if (!problem) return sampling;
    return { ...sampling, notice: { kind: 'limited', text: `${problem}. Without it ${NEEDS_INSPECTOR}` } };
  } catch (error) {
    const reason = reasonOf(error);
    if (wanted === 'pprof') {
      throw new Error(`PprofModule: the sampler "pprof" cannot be loaded (${reason})`, { cause: error });
    }
    const missing = `the optional package pprof cannot be loaded (${reason})`;
    if (problem) return noSampling(`${problem}; ${missing}`);
    return { ...byInspector, notice: { kind: 'instead', text: missing } };
  }
}

/** Its samplers throw the reason when they are started. */
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
    notice: { kind: 'none', text: reason },
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

/** Not by a literal name: the package is optional, and compilers and bundlers would require it. */
async function importCommonJs<T>(name: string): Promise<T> {
  const module = (await import(name)) as T & { default?: T };
  return module.default ?? module;
}
