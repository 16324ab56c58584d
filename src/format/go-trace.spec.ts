import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readGoTrace } from '../../test/support/go-trace-reader.js';
import { anyEvents, writtenTrace } from '../../test/support/trace-events.js';
import type { TraceEvent } from './trace-event.js';

const KEPT = ['task', 'region', 'log', 'collection', 'sample'];

describe('A Go trace of events in any order', () => {
  it('is read without an error, with every task, region, log, collection and sample', () => {
    fc.assert(
      fc.property(anyEvents(150), (events) => {
        const { tasks, regions, logs, collections, samples } = readGoTrace(writtenTrace(events));
        expect([tasks, regions, logs, collections, samples].map(({ length }) => length)).toEqual(
          KEPT.map((type) => countOf(events, type)),
        );
      }),
      { seed: 18, numRuns: 300 },
    );
  });
});

function countOf(events: readonly TraceEvent[], type: string): number {
  return events.filter((event) => event.type === type).length;
}
