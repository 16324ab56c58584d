import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RefusalLog } from './refusal-log.js';
import { goError } from './reply.js';

const REQUEST = {
  method: 'GET',
  url: 'http://pprof.example:3000/debug/pprof/heap?token=hunter2',
  peer: '203.0.113.7',
};
const LINE = 'GET /debug/pprof/heap for 203.0.113.7: refused with 401 (Unauthorized)';
const UNAUTHORIZED = goError(401, 'Unauthorized');

describe('RefusalLog', () => {
  let warned: jest.SpiedFunction<Logger['warn']>;
  let now: number;
  let log: RefusalLog;
  beforeEach(() => {
    now = 500;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    log = new RefusalLog();
  });
  afterEach(() => void jest.restoreAllMocks());

  it('logs one refusal a minute, and how many others there were', () => {
    for (const at of [500, 500, 60_499, 60_500, 60_501, 120_499, 120_500, 180_500]) {
      now = at;
      log.note(REQUEST, UNAUTHORIZED);
    }
    expect(warned.mock.calls.flat()).toEqual([
      LINE,
      `${LINE}; 2 more since the last such line`,
      `${LINE}; 2 more since the last such line`,
      LINE,
    ]);
  });

  it('logs no failure, and does not count it', () => {
    log.note(REQUEST, goError(500, 'Internal Server Error'));
    log.note(REQUEST, UNAUTHORIZED);
    expect(warned.mock.calls).toEqual([[LINE]]);
  });

  it('writes control characters and line breaks of a client as spaces', () => {
    log.note({ ...REQUEST, url: 'http://localhost/debug/pprof/a\u009b2J\nb?\n' }, UNAUTHORIZED);
    expect(warned.mock.calls).toEqual([
      ['GET /debug/pprof/a 2J b for 203.0.113.7: refused with 401 (Unauthorized)'],
    ]);
  });
});
