import { addressesIn, int64, isSpaceOrComment, Lines, malformed } from './lines.js';
import { buildWithSections, isMemoryMapSentinel } from './memory-map.js';
import { LegacySamples, type LegacyHeader } from './samples.js';
import type { Profile, ValueType } from '../profile.js';

const TOTALS = 'heap profile: *(\\d+): *(\\d+) *\\[ *(\\d+): *(\\d+) *\\]';
const SAMPLED = new RegExp(`${TOTALS} *@ *(heap[_a-z0-9]*)/?(\\d*)`);
const UNSAMPLED = new RegExp(`${TOTALS} @ (?:growth|fragmentation)z?`);
const SAMPLE = /(-\d+|(?<!\d)\d+): *(-?\d+) *\[ *(\d+): *(\d+) *\] @([ x0-9a-f]*)/;

/** What the word after the `@` says of the number after it. */
const RATES: Readonly<Record<string, (written: number) => { period: number; isScaled: boolean }>> = {
  heap: (written) => ({ period: Math.trunc(written / 2), isScaled: true }), // the oldest producers doubled it
  heap_v2: (written) => ({ period: written, isScaled: true }),
  heapz_v2: (written) => ({ period: written, isScaled: true }),
  heapprofile: () => ({ period: 1, isScaled: false }),
};

const ALLOCATED_AND_IN_USE: readonly ValueType[] = [
  { type: 'alloc_objects', unit: 'count' },
  { type: 'alloc_space', unit: 'bytes' },
  { type: 'inuse_objects', unit: 'count' },
  { type: 'inuse_space', unit: 'bytes' },
];
const ONE_PAIR: readonly ValueType[] = [
  { type: 'objects', unit: 'count' },
  { type: 'space', unit: 'bytes' },
];

interface HeapKind {
  readonly period: number;
  readonly isScaled: boolean;
  readonly hasAllocated: boolean;
}

/** Heap profiles of Go and of C++ programs. Undefined for what is none. */
export function* parseHeap(bytes: Uint8Array): Generator<void, Profile | undefined> {
  const lines = new Lines(bytes);
  const kind = kindOf(lines.header());
  if (!kind) return undefined;
  const header: LegacyHeader = {
    sampleTypes: kind.hasAllocated ? ALLOCATED_AND_IN_USE : ONE_PAIR,
    periodType: { type: 'space', unit: 'bytes' },
    period: kind.period,
  };
  const samples = new LegacySamples();
  let line = lines.next();
  for (; line !== undefined; line = lines.next()) {
    if (lines.isTimeToYield(line)) yield;
    if (isSpaceOrComment(line)) continue;
    if (isMemoryMapSentinel(line)) break;
    addSample(line, kind, samples);
  }
  return yield* buildWithSections(samples, header, lines, line);
}

function kindOf(line: string): HeapKind | undefined {
  const [found, inUseCount, inUseBytes, count, bytes, word, written] = SAMPLED.exec(line) ?? [];
  if (!found) return UNSAMPLED.test(line) ? { period: 1, isScaled: false, hasAllocated: false } : undefined;
  const rate = Object.hasOwn(RATES, word!) ? RATES[word!]!(int64(written || '0')) : undefined;
  return rate && { ...rate, hasAllocated: differs(count!, inUseCount!) || differs(bytes!, inUseBytes!) };
}

/** Producers that know only one pair leave the other out or write it twice. */
function differs(allocated: string, inUse: string): boolean {
  return allocated !== inUse && allocated !== '0';
}

function addSample(line: string, { period, isScaled, hasAllocated }: HeapKind, samples: LegacySamples): void {
  const found = SAMPLE.exec(line);
  if (!found) throw malformed(`the line ${line.slice(0, 100)}`);
  const [, inUseCount, inUseBytes, count, bytes, addresses] = found;
  const values: number[] = [];
  let blockSize = 0;
  const addPair = (pairCount: number, pairBytes: number): void => {
    if (pairCount === 0 && pairBytes !== 0) throw malformed(`no objects of ${pairBytes} bytes`);
    if (pairCount !== 0) blockSize = Math.trunc(pairBytes / pairCount);
    values.push(...(isScaled ? scaledUp(pairCount, pairBytes, period) : [pairCount, pairBytes]));
  };
  if (hasAllocated) addPair(int64(count!), int64(bytes!));
  addPair(int64(inUseCount!), int64(inUseBytes!));
  samples.add(addressesIn(addresses!, 1), values, blockSize);
}

/**
 * Count and bytes of all objects that the sampled ones stand for: one of a size is sampled with the probability
 * 1 - exp(-size / period).
 */
export function scaledUp(count: number, bytes: number, period: number): readonly [number, number] {
  if (count === 0 || bytes === 0) return [0, 0];
  if (period <= 1) return [count, bytes];
  const factor = 1 / (1 - Math.exp(-(bytes / count) / period));
  return [Math.trunc(count * factor), Math.trunc(bytes * factor)];
}
