import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DiscoveryService } from '@nestjs/core';
import { jest } from '@jest/globals';
import type { LoadedScript, ScriptName } from '../../src/sampling/loaded-scripts.js';
import type { FunctionLocation } from '../../src/sampling/function-locations.js';
import type { CpuSamples, HeapSamples, Sliced } from '../../src/sampling/sampler.js';
import type { CapturedProfile, DevToolsFormat } from '../../src/profiling/captured-profile.js';
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
jest.unstable_mockModule('../../src/sampling/loaded-scripts.js', () => ({
  mayTransformCode: () => false,
  /** The files of the program are what was running when it was recorded. */
  loadedScripts: (names: readonly ScriptName[]): LoadedScript[] =>
    names.map(({ url }) => ({ hash: sha256(url), source: undefined })),
}));
const inspectorCpu = await import('../../src/sampling/inspector-samples.js');
const { heapSamplesOf } = await import('../../src/sampling/heap-samples.js');
const pprof = await import('../../src/sampling/pprof-samples.js');
const { ClassNames } = await import('../../src/profiling/frames/class-names.js');
const { beginCpuCapture, freeCpuCapture } = await import('../../src/profiling/cpu/cpu-recording.js');
const { cpuProfileOf } = await import('../../src/profiling/cpu/cpu-profile.js');
const { Captures } = await import('../../src/profiling/capture.js');
const { HeapProfiler } = await import('../../src/profiling/heap/heap-profiler.js');
const { HeapReader } = await import('../../src/profiling/heap/heap-reader.js');
const { FrameResolver } = await import('../../src/profiling/frames/frame-resolver.js');
const { resolveRuntimeOptions } = await import('../../src/pprof.options.js');
const { SourceMapper } = await import('../../src/profiling/frames/source-maps/source-mapper.js');

const sha256 = (url: string): string =>
  createHash('sha256')
    .update(readFileSync(url.startsWith('file:') ? fileURLToPath(url) : url))
    .digest('hex');

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
  'inspector-cpu': inspectorSamples,
  'pprof-cpu': ({ profile, others }) => pprof.cpuSamplesOf(profile, others),
};

/** All of it is one segment. */
function* inspectorSamples({ profile, measured }: Recordings['inspector-cpu']): Sliced<CpuSamples> {
  const { readings, beginMicros, beginNanos = 0, endNanos = 0, others = [] } = measured ?? {};
  const segment = yield* inspectorCpu.sampledSegment(profile, {
    askedMicros: beginMicros ?? profile.startTime,
    beginMicros: readings?.micros[0] ?? profile.startTime,
    endMicros: readings?.micros.at(-1) ?? profile.endTime,
    excluded: [],
    readings,
  });
  const span = { beginMicros: profile.startTime, endMicros: profile.endTime };
  const use = { ...span, ownNanos: endNanos - beginNanos, others };
  return yield* inspectorCpu.cpuSamplesOf([segment], measured && use);
}

const FIRST = { after: 0, keepsDead: false };

const HEAP_SAMPLES: { [S in HeapSource]: Convert<S, HeapSamples> } = {
  'inspector-heap': ({ profile, rate }) => heapSamplesOf({ ...FIRST, profile, native: undefined, rate }),
  'pprof-heap': ({ profile, numbered, rate }) =>
    heapSamplesOf({ ...FIRST, profile: numbered, native: profile, rate }),
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
  const frames = frameResolver(recorded, options);
  return replayed(await cpuProfileOf(capture, freeCpuCapture(capture), frames, []), 'cpuprofile');
}

function unused(): void {}

export async function replayHeap<S extends HeapSource>(
  source: S,
  recorded: Recordings[S],
  options?: ReplayOptions,
): Promise<Replayed> {
  const name = samplerOf(source);
  const { rate, memory } = recorded;
  const epoch = { keepsDead: false, before: undefined };
  const read = () => ({ epoch, samples: () => HEAP_SAMPLES[source](recorded) });
  const startHeap = () => ({
    name,
    rate,
    isForeign: false,
    read,
    readLive: read,
    keepDead: unused,
    forgetDead: unused,
    dropDead: unused,
    stop: unused,
  });
  const runtimeOptions = resolveRuntimeOptions({ memProfileRate: rate });
  const captures = new Captures(runtimeOptions);
  const sampling = {
    name,
    cpu: undefined as never,
    startHeap,
    watchLoop: undefined as never,
    takeHeapSnapshot: undefined as never,
  };
  const reader = new HeapReader(sampling, runtimeOptions, frameResolver(recorded, options), captures);
  const memoryUsage = jest
    .spyOn(process, 'memoryUsage')
    .mockReturnValue(memory) as unknown as jest.SpiedFunction<() => unknown>;
  reader.onModuleInit();
  try {
    return await replayed(await new HeapProfiler(reader, captures).take(), 'heapprofile');
  } finally {
    memoryUsage.mockRestore();
    reader.onModuleDestroy();
  }
}

function samplerOf(source: CpuSource | HeapSource): 'inspector' | 'pprof' {
  return source.startsWith('pprof') ? 'pprof' : 'inspector';
}

function frameResolver(
  { methods }: Recordings[keyof Recordings],
  { injectable = [CatsService] }: ReplayOptions = {},
): InstanceType<typeof FrameResolver> {
  locations.clear();
  for (const [name, { prototype }] of Object.entries(CLASSES)) {
    const functions = prototype as unknown as Record<string, unknown>;
    for (const [method, location] of Object.entries(methods[name]!))
      locations.set(functions[method], location);
  }
  return new FrameResolver(new SourceMapper({ sourceMaps: true }), new ClassNames(discoveryOf(injectable)));
}

/** Nest's discovery, as far as it is asked. */
function discoveryOf(classes: readonly unknown[]): DiscoveryService {
  const getProviders = () => classes.map((metatype) => ({ metatype, inject: undefined }));
  return { getProviders, getControllers: () => [] } as unknown as DiscoveryService;
}

async function replayed(captured: CapturedProfile, format: DevToolsFormat): Promise<Replayed> {
  const bytes = await captured.encode();
  const devTools = (await captured.encodeAs(format)).toString();
  return { bytes, profile: new DecodedProfile(bytes), devTools };
}
