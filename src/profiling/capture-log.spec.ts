import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type CaptureEvent, CaptureLog } from './capture-log.js';

const CAPTURE = { profile: 'heap', peer: '203.0.113.7', bytes: 1234, longestHoldMs: 3.25 };

describe('CaptureLog', () => {
  let log: CaptureLog;
  let events: CaptureEvent[];
  const logged = jest.spyOn(Logger.prototype, 'log');

  beforeEach(() => {
    jest.spyOn(performance, 'now').mockReturnValue(3500);
    logged.mockReset();
    log = new CaptureLog();
    events = [];
    log.events.subscribe((event) => events.push(event));
  });
  afterEach(() => void logged.mockReset());

  it('reports a capture by one line and one event', () => {
    log.report(CAPTURE, 1000);
    expect(events).toEqual([{ ...CAPTURE, seconds: 2.5 }]);
    expect(logged.mock.calls).toEqual([
      ['heap for 203.0.113.7: 2.500 s, 1234 bytes, held the event loop for 3.3 ms at most'],
    ]);
  });

  it('leaves out the size of what is not encoded yet', () => {
    log.report({ ...CAPTURE, profile: 'profile', peer: 'code', bytes: undefined }, 3500);
    expect(logged.mock.calls).toEqual([
      [expect.stringMatching(/^profile for code: 0\.000 s, held the event loop for 3\.3 ms at most$/)],
    ]);
  });

  it('sends an event to all current subscribers', () => {
    log.report(CAPTURE, 3500);
    const later: CaptureEvent[] = [];
    const subscription = log.events.subscribe((event) => later.push(event));
    log.report(CAPTURE, 3500);
    subscription.unsubscribe();
    log.report(CAPTURE, 3500);
    expect([events.length, later.length]).toEqual([3, 1]);
  });

  it('takes no events from subscribers', () => {
    expect(log.events).not.toHaveProperty('next');
  });
});
