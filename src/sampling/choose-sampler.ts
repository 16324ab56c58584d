import { isMainThread } from 'node:worker_threads';
import { inspectorSampling } from './inspector.sampler.js';
import { type PprofPackage, pprofSampling } from './pprof.sampler.js';
import type { SamplerName, Sampling } from './sampler.js';

/** A choice, and what operators should know of it. */
export interface SamplingChoice {
  readonly sampling: Sampling;
  /** Set where `auto` had to do without `pprof`. */
  readonly notice?: string;
}

/**
 * Finds the sampler that the options name: `auto` takes `pprof` where it could be built and else the inspector.
 *
 * @throws Error if `pprof` is named and cannot be loaded
 */
export async function chooseSampler(
  wanted: 'auto' | SamplerName,
  load: () => Promise<PprofPackage> = loadPprof,
): Promise<SamplingChoice> {
  if (wanted === 'inspector') return { sampling: inspectorSampling };
  try {
    return { sampling: pprofSampling(await load()) };
  } catch (error) {
    const reason = firstLine(error);
    if (wanted === 'pprof') {
      throw new Error(`PprofModule: the sampler "pprof" cannot be loaded (${reason})`, { cause: error });
    }
    return {
      sampling: inspectorSampling,
      notice: `The optional package pprof cannot be loaded (${reason}): sampling with node:inspector instead.`,
    };
  }
}

async function loadPprof(): Promise<PprofPackage> {
  if (!isMainThread) throw new Error('it works in the main thread only');
  const { time } = await importCommonJs<Pick<PprofPackage, 'time'>>('pprof');
  return {
    time,
    timeBindings: await importCommonJs('pprof/out/src/time-profiler-bindings.js'),
    heapBindings: await importCommonJs('pprof/out/src/heap-profiler-bindings.js'),
  };
}

/** By a name that is no literal: the package is optional, and no compiler or bundler is to insist on it. */
async function importCommonJs<T>(name: string): Promise<T> {
  const module = (await import(name)) as T & { default?: T };
  return module.default ?? module;
}

function firstLine(error: unknown): string {
  const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
  return line.replace(/\.? *Tried: *$/, ''); // a list follows
}
