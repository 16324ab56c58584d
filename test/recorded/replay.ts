import type { ModulesContainer } from '@nestjs/core';
import { jest } from '@jest/globals';
import type { FunctionLocation } from '../../src/sampling/function-locations.js';
import type { CpuSamples, HeapSamples, Sliced } from '../../src/sampling/sampler.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { AnimalsService, CatsService, Namesake } from '../fixtures/program/cats.js';
import { Dogs } from '../fixtures/program/dogs.cjs';
import type { CpuSource, HeapSource, Recordings } from './recordings.js';

const locations = new Map<unknown, FunctionLocation>();
jest.unstable_mockModule('../../src/sampling/function-locations.js', () => ({
  *locateFunctions(functions: readonly unknown[]): Sliced<(FunctionLocation | undefined)[]> {
    yield;
    return functions.map((fn) => locations.get(fn));
  },
}));
const inspectorCpu = await import('../../src/sampling/inspector-cpu-samples.js');
const inspectorHeap = await import('../../src/sampling/inspector-heap-samples.js');
const pprof = await import('../../src/sampling/pprof-samples.js');
const { ClassNames } = await import('../../src/profiling/class-names.js');
const { beginCpuCapture } = await import('../../src/profiling/cpu-capture.js');
const { endCpuCapture } = await import('../../src/profiling/cpu-profile.js');
const { HeapProfiler } = await import('../../src/profiling/heap-profiler.js');
const { PlaceResolver } = await import('../../src/profiling/place-resolver.js');
const { resolveRuntimeOptions } = await import('../../src/pprof.options.js');
const { SourceMapper } = await import('../../src/profiling/source-maps/source-mapper.js');

/** Classes whose methods are recorded. */
const CLASSES = { AnimalsService, CatsService, Namesake, Dogs };

/** A recording on its way through everything that follows V8. */
export interface Replayed {
  readonly bytes: Buffer;
  readonly profile: DecodedProfile;
  /** The JSON for DevTools. */
  readonly devTools: string;
}

export interface ReplayOptions {
  /** Classes that Nest makes instances of. */
  readonly injectable?: readonly unknown[];
}

type Convert<S extends keyof Recordings, T> = (recorded: Recordings[S]) => Sliced<T>;

const CPU_SAMPLES: { [S in CpuSource]: Convert<S, CpuSamples> } = {
  'inspector-cpu': ({ profile, measured }) => inspectorCpu.cpuSamplesOf(profile, measured),
  'pprof-cpu': ({ profile, others }) => pprof.cpuSamplesOf(profile, others),
};

const HEAP_SAMPLES: { [S in HeapSource]: Convert<S, HeapSamples> } = {
  'inspector-heap': ({ profile, rate }) => inspectorHeap.heapSamplesOf(profile, rate),
  'pprof-heap': ({ profile, rate }) => pprof.heapSamplesOf(profile, rate),
};

export async function replayCpu<S extends CpuSource>(
  source: S,
  recorded: Recordings[S],
  options?: ReplayOptions,
): Promise<Replayed> {
  const stop = (): Sliced<CpuSamples> => CPU_SAMPLES[source](recorded);
  const cpu = { name: samplerOf(source), start: () => ({ stop }) };
  const isAfterGc = true; // else a comment follows that depends on this Node, not on the recorded one
  const capture = beginCpuCapture(cpu, recorded.hz, isAfterGc);
  return replayed(await endCpuCapture(capture, placeResolver(recorded, options), []));
}

export async function replayHeap<S extends HeapSource>(
  source: S,
  recorded: Recordings[S],
  options?: ReplayOptions,
): Promise<Replayed> {
  const name = samplerOf(source);
  const { rate, memory } = recorded;
  const startHeap = () => ({ name, rate, read: () => HEAP_SAMPLES[source](recorded), stop() {} });
  const profiler = new HeapProfiler(
    { name, cpu: undefined as never, startHeap },
    resolveRuntimeOptions({ memProfileRate: rate }),
    placeResolver(recorded, options),
  );
  const memoryUsage = jest.spyOn(process, 'memoryUsage').mockReturnValue(memory);
  profiler.onModuleInit();
  try {
    return await replayed(await profiler.profile());
  } finally {
    memoryUsage.mockRestore();
    profiler.onModuleDestroy();
  }
}

function samplerOf(source: CpuSource | HeapSource): 'inspector' | 'pprof' {
  return source.startsWith('pprof') ? 'pprof' : 'inspector';
}

function placeResolver(
  { methods }: Recordings[keyof Recordings],
  { injectable = [CatsService] }: ReplayOptions = {},
): InstanceType<typeof PlaceResolver> {
  locations.clear();
  for (const [name, { prototype }] of Object.entries(CLASSES)) {
    const functions = prototype as unknown as Record<string, unknown>;
    for (const [method, location] of Object.entries(methods[name]!))
      locations.set(functions[method], location);
  }
  return new PlaceResolver(new SourceMapper({ sourceMaps: true }), new ClassNames(containerOf(injectable)));
}

/** A container as Nest has it, as far as it is looked at. */
function containerOf(classes: readonly unknown[]): ModulesContainer {
  const providers = new Map(classes.map((metatype) => [metatype, { metatype, inject: undefined }]));
  const module = { providers, controllers: new Map(), injectables: new Map() };
  return new Map([['module', module]]) as unknown as ModulesContainer;
}

async function replayed(captured: Awaited<ReturnType<typeof endCpuCapture>>): Promise<Replayed> {
  const bytes = await captured.encode();
  const devTools = (await captured.encodeForDevTools()).toString();
  return { bytes, profile: new DecodedProfile(bytes), devTools };
}
