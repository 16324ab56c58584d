import { readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FunctionLocation } from '../../src/sampling/function-locations.js';
import type { CpuReadings } from '../../src/sampling/cpu-readings.js';
import type { SamplingHeapProfile } from '../../src/sampling/heap-samples.js';
import type { PprofAllocationNode, PprofTimeProfile } from '../../src/sampling/pprof-samples.js';
import type { TimeApart } from '../../src/sampling/sampler.js';

/** Versions whose V8 is recorded; test/fixtures/record.mjs says how. */
export const NODES = [20, 22, 24, 26] as const;
export type RecordedNode = (typeof NODES)[number];

const FIXTURES = new URL('../fixtures/', import.meta.url);

/** Directory of the program that was sampled. */
export const PROGRAM = fileURLToPath(new URL('program', FIXTURES));

interface Recorded {
  readonly node: string;
  /** Where the methods of each class begin, as V8 says. */
  readonly methods: Readonly<Record<string, Readonly<Record<string, FunctionLocation>>>>;
}

/** What was measured beside V8's samples. */
export interface Measured {
  /** Before V8 began. */
  readonly beginMicros: number;
  /** CPU time of the thread before V8 began, and after it ended. */
  readonly beginNanos: number;
  readonly endNanos: number;
  readonly readings: CpuReadings;
  readonly others: readonly TimeApart[];
}

/** Inputs of the conversions in src/sampling, by what recorded them. */
export interface Recordings {
  'inspector-cpu': Recorded & {
    readonly hz: number;
    readonly profile: Profiler.Profile;
    /** Undefined where a system does not tell the CPU time of a thread. */
    readonly measured: Measured | undefined;
  };
  'pprof-cpu': Recorded & {
    readonly hz: number;
    readonly profile: PprofTimeProfile;
    readonly others: readonly TimeApart[];
  };
  'inspector-heap': Recorded & {
    readonly rate: number;
    readonly profile: SamplingHeapProfile;
    readonly memory: NodeJS.MemoryUsage;
  };
  'pprof-heap': Recorded & {
    readonly rate: number;
    readonly profile: PprofAllocationNode;
    /** The same by the inspector, whose samples are numbered. */
    readonly numbered: SamplingHeapProfile;
    readonly memory: NodeJS.MemoryUsage;
  };
}

export type Source = keyof Recordings;
export type CpuSource = 'inspector-cpu' | 'pprof-cpu';
export type HeapSource = 'inspector-heap' | 'pprof-heap';

export const CPU_SOURCES: readonly CpuSource[] = ['inspector-cpu', 'pprof-cpu'];
export const HEAP_SOURCES: readonly HeapSource[] = ['inspector-heap', 'pprof-heap'];

/** Each source on each Node, for `describe.each`. */
export function onEachNode<S extends Source>(sources: readonly S[]): { source: S; node: RecordedNode }[] {
  return sources.flatMap((source) => NODES.map((node) => ({ source, node })));
}

/** What V8 answered, with the paths and URLs that the program has here. */
export function recording<S extends Source>(source: S, node: RecordedNode): Recordings[S] {
  const json = readFileSync(new URL(`node-${node}/${source}.json`, FIXTURES), 'utf8');
  return JSON.parse(json, (_key, value: unknown) =>
    typeof value === 'string' ? placed(value) : value,
  ) as Recordings[S];
}

function placed(text: string): string {
  return text.replace('file://<program>', pathToFileURL(PROGRAM).href).replace('<program>', PROGRAM);
}

/** Lines of a file of the program that contain a text, from 1. */
export function linesWith(file: string, text: string): number[] {
  const lines = readFileSync(new URL(`program/${file}`, FIXTURES), 'utf8').split('\n');
  return lines.flatMap((line, i) => (line.includes(text) ? [i + 1] : []));
}

/** The one line of a file of the program that contains a text. */
export function lineWith(file: string, text: string): number {
  const [line, ...more] = linesWith(file, text);
  if (line === undefined || more.length > 0) throw new Error(`not one line with "${text}" in ${file}`);
  return line;
}
