import { addressesIn, Lines, malformed } from './lines.js';
import { buildWithSections, isMemoryMapSentinel } from './memory-map.js';
import { countOf, LegacySamples, type LegacyHeader } from './samples.js';
import { type CollectedSample, dropDoubledLeaf } from './stack-repair.js';
import type { Profile } from '../profile.js';

const START = /--- threadz \d+ ---/;
const THREAD = /--- Thread [0-9a-fA-F]+ \(name: /;
const THREAD_END = /\/\d+\) stack: ---/;
const HEADER: LegacyHeader = { sampleTypes: [countOf('thread')], periodType: countOf('thread'), period: 1 };

/** The stacks of all threads of a C++ program. Undefined for what is none. */
export function* parseThreads(bytes: Uint8Array): Generator<void, Profile | undefined> {
  const lines = new Lines(bytes);
  let line: string | undefined = yield* lines.headerBelowComments();
  if (START.test(line)) line = yield* lineOfFirstThread(lines);
  else if (!isThread(line)) return undefined;
  const threads: CollectedSample[] = [];
  while (line !== undefined && !isMemoryMapSentinel(line) && !line.startsWith('---- no stack trace for')) {
    if (!isThread(line)) throw malformed(`the line ${line.slice(0, 100)}`);
    line = yield* readThread(lines, threads);
  }
  const samples = new LegacySamples();
  for (const thread of threads) {
    if (lines.isTimeToYield('')) yield;
    dropDoubledLeaf(thread.stack);
    samples.add(thread.stack, [thread.count]);
  }
  return yield* buildWithSections(samples, HEADER, lines, line);
}

/** In two steps: as one pattern it would take a time that grows by the square of the line. */
function isThread(line: string): boolean {
  const start = THREAD.exec(line);
  return start !== null && THREAD_END.test(line.slice(start.index + start[0].length));
}

function* lineOfFirstThread(lines: Lines): Generator<void, string | undefined> {
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (lines.isTimeToYield(line)) yield;
    if (line.startsWith('-') || isMemoryMapSentinel(line)) return line;
  }
  throw malformed('it has no threads');
}

/** Reads one thread's stack. @returns the line after it */
function* readThread(lines: Lines, threads: CollectedSample[]): Generator<void, string | undefined> {
  const stack: number[] = [];
  let isLikeTheLast = false;
  let line = lines.next()?.trim();
  for (; line !== undefined; line = lines.next()?.trim()) {
    if (lines.isTimeToYield(line)) yield;
    if (line.startsWith('---') || isMemoryMapSentinel(line)) break;
    isLikeTheLast ||= line.includes('same as previous thread');
    for (const address of addressesIn(line)) stack.push(stack.length > 0 ? address - 1 : address);
  }
  const last = threads.at(-1);
  if (!isLikeTheLast && stack.length > 0) threads.push({ stack, count: 1 });
  else if (last) last.count++;
  return line;
}
