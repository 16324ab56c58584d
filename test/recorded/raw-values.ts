import { basename } from 'node:path';
import type { CpuSource, HeapSource, Recordings } from './recordings.js';

/** How often V8 saw one line of one function executing. */
export interface RawHits {
  readonly name: string;
  /** Of the script, without its directory. */
  readonly file: string;
  readonly line: number;
  readonly hits: number;
  /** Names of the functions that called it, innermost first. */
  readonly callers: readonly string[];
}

/** What V8 says of objects of one size from one function. */
export interface RawObjects {
  readonly name: string;
  readonly file: string;
  /** Line at which the function begins. */
  readonly line: number;
  readonly bytes: number;
  /** Where the sampler knows it. */
  readonly count?: number;
}

type Hits = { [S in CpuSource]: (profile: Recordings[S]['profile']) => RawHits[] };
type Objects = { [S in HeapSource]: (profile: Recordings[S]['profile']) => RawObjects[] };

interface Tree<T> {
  readonly children: readonly T[];
}

function* walk<T extends Tree<T>>(node: T, callers: readonly T[] = []): Generator<[T, readonly T[]]> {
  yield [node, callers];
  for (const child of node.children) yield* walk(child, [node, ...callers]);
}

const HITS: Hits = {
  'inspector-cpu': ({ nodes, samples }) => {
    const callerOf = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])));
    const callers = (id: number): string[] => {
      const caller = callerOf.get(id);
      return caller ? [caller.callFrame.functionName, ...callers(caller.id)] : [];
    };
    const sampled = new Set(samples); // V8 may have counted a hit of right before
    return nodes.flatMap(
      ({ id, callFrame: { functionName: name, url }, hitCount = 0, positionTicks = [] }) => {
        if (!sampled.has(id)) return [];
        const at = { name, file: basename(url), callers: callers(id) };
        const inLines = positionTicks.reduce((sum, { ticks }) => sum + ticks, 0);
        return [
          { ...at, line: 0, hits: hitCount - inLines },
          ...positionTicks.map(({ line, ticks }) => ({ ...at, line, hits: ticks })),
        ];
      },
    );
  },
  'pprof-cpu': ({ topDownRoot }) =>
    [...walk(topDownRoot)].map(([{ name, scriptName, lineNumber, hitCount }, callers]) => ({
      name,
      file: basename(scriptName),
      line: lineNumber,
      hits: hitCount,
      callers: callers.map((caller) => caller.name),
    })),
};

const OBJECTS: Objects = {
  'inspector-heap': ({ head, samples }) => {
    const frames = new Map([...walk(head)].map(([{ id, callFrame }]) => [id, callFrame]));
    return samples.map(({ nodeId, size }) => {
      const { functionName, url, lineNumber } = frames.get(nodeId)!;
      return { name: functionName, file: basename(url), line: lineNumber + 1, bytes: size };
    });
  },
  'pprof-heap': (root) =>
    [...walk(root)].flatMap(([{ name, scriptName, lineNumber, allocations }]) =>
      allocations.map(({ count, sizeBytes }) => ({
        name,
        file: basename(scriptName),
        line: lineNumber,
        bytes: count * sizeBytes,
        count,
      })),
    ),
};

/** What V8 saw executing, read from its own result and not by the code under test. */
export function rawHits<S extends CpuSource>(source: S, { profile }: Recordings[S]): RawHits[] {
  return HITS[source](profile);
}

/** What V8 saw alive, read the same way. */
export function rawObjects<S extends HeapSource>(source: S, { profile }: Recordings[S]): RawObjects[] {
  return OBJECTS[source](profile);
}

export function sumOf<T>(all: readonly T[], valueOf: (one: T) => number): number {
  return all.reduce((sum, one) => sum + valueOf(one), 0);
}
