import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type CaptureEvent, CaptureLog } from './capture-log.js';

const CAPTURE = { profile: 'heap', peer: '203.0.113.7', bytes: 1234, longestHoldMs: 3.25 };

describe('CaptureLog', () => {
  let log: CaptureLog;
  let events: CaptureEvent[];
  const logged = jest.spyOn(Logger.prototype, 'log');

  beforeEach(() => {
    logged.mockReset();
    log = new CaptureLog();
    events = [];
    log.events.subscribe((event) => events.push(event));
  });
  afterEach(() => void logged.mockReset());

  it('tells of a capture by one line and one event', () => {
    log.report(CAPTURE, performance.now() - 2500);
    expect(events).toEqual([{ ...CAPTURE, seconds: expect.any(Number) }]);
    expect(Math.abs(events[0]!.seconds - 2.5)).toBeLessThan(1);
    const seconds = events[0]!.seconds.toFixed(3);
    expect(logged.mock.calls).toEqual([
      [`heap for 203.0.113.7: ${seconds} s, 1234 bytes, held the event loop for 3.3 ms at most`],
    ]);
  });

  it('leaves out the size where nothing is encoded yet', () => {
    log.report({ ...CAPTURE, profile: 'profile', peer: 'code', bytes: undefined }, performance.now());
    expect(logged.mock.calls).toEqual([
      [expect.stringMatching(/^profile for code: 0\.\d{3} s, held the event loop for 3\.3 ms at most$/)],
    ]);
  });

  it('tells all who listen, and nobody of what was before', () => {
    log.report(CAPTURE, performance.now());
    const later: CaptureEvent[] = [];
    const subscription = log.events.subscribe((event) => later.push(event));
    log.report(CAPTURE, performance.now());
    subscription.unsubscribe();
    log.report(CAPTURE, performance.now());
    expect([events.length, later.length]).toEqual([3, 1]);
  });

  it('cannot be told by those who listen', () => {
    expect(log.events).not.toHaveProperty('next');
  });
});
