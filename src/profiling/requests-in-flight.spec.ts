import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RequestsInFlight, type TrackedRequest } from './requests-in-flight.js';

function requestAt(startedMs: number): TrackedRequest {
  return {
    startedMs,
    method: 'GET',
    route: undefined,
    handler: undefined,
    phase: 'routing',
    clientGone: false,
    place: 0,
  };
}

describe('requests in flight', () => {
  it('lists what has begun and not ended, oldest first, whatever ends when', () => {
    const requests = new RequestsInFlight();
    const events = fc.array(fc.option(fc.nat(), { nil: 'begin' as const }));
    fc.assert(
      fc.property(events, (events) => {
        const underWay: TrackedRequest[] = [];
        for (const [time, event] of events.entries()) {
          if (event === 'begin' || underWay.length === 0) {
            const one = requestAt(time);
            underWay.push(one);
            requests.begin(one);
          } else {
            const [one] = underWay.splice(event % underWay.length, 1);
            requests.end(one!);
          }
          expect(requests.list()).toEqual(underWay);
        }
        for (const one of underWay) requests.end(one);
        expect(requests.list()).toEqual([]);
      }),
    );
  });

  it('are those of the process, and each that is there may observe', () => {
    const [one, another] = [new RequestsInFlight(), new RequestsInFlight()];
    const told: unknown[] = [];
    expect(one.begin(requestAt(1))).toBe(false);
    const stop = another.observe({ began: (request) => told.push(request) });
    const second = requestAt(2);
    expect(one.begin(second)).toBe(true);
    stop();
    expect(told).toEqual([second]);
    expect(another.list().map(({ startedMs }) => startedMs)).toEqual([1, 2]);
    for (const request of another.list()) another.end(request as TrackedRequest);
    expect(one.list()).toEqual([]);
  });
});
