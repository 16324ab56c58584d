import { describe, expect, it } from '@jest/globals';
import type { ModulesContainer } from '@nestjs/core';
import { type RequestDescription, RequestsInFlight, TrackedRequest } from './requests-in-flight.js';

const DESCRIPTION: RequestDescription = {
  method: 'GET',
  route: '/cats/:id',
  handler: 'CatsController.findOne',
  state: 'handling',
  status: undefined,
  own: false,
};

class MadeUpRequest extends TrackedRequest {
  description: RequestDescription | undefined = DESCRIPTION;

  protected describe(): RequestDescription {
    return this.description!;
  }

  protected release(): void {
    this.description = undefined;
  }
}

const idsIn = (table: RequestsInFlight): number[] => Array.from(table, ({ id }) => id);

describe('the requests in flight of an application', () => {
  it('are listed in the order in which they began, until they end', () => {
    const table = new RequestsInFlight();
    const requests = Array.from({ length: 4 }, () => new MadeUpRequest());
    for (const request of requests) table.begin(request);
    expect(idsIn(table)).toEqual([3, 7, 11, 15]);
    const rest = [3, 7, 11, 15];
    for (const i of [1, 1, 0, 3, 2, 2]) {
      const { id } = requests[i]!;
      table.end(requests[i]!);
      if (rest.includes(id)) rest.splice(rest.indexOf(id), 1);
      expect(idsIn(table)).toEqual(rest);
    }
    table.begin(new MadeUpRequest());
    expect(idsIn(table)).toEqual([19]);
  });

  it('may begin and end during a read', () => {
    const table = new RequestsInFlight();
    const requests = Array.from({ length: 3 }, () => new MadeUpRequest());
    for (const request of requests) table.begin(request);
    const read: number[] = [];
    for (const { id } of table) {
      read.push(id);
      table.end(requests[0]!);
      table.begin(new MadeUpRequest());
    }
    expect(read).toEqual([3, 7, 11]);
  });

  it('are described when they are read, with their age', () => {
    const table = new RequestsInFlight();
    const request = new MadeUpRequest();
    table.begin(request);
    expect(request.snapshot()).toEqual({ id: 3, ageMs: expect.any(Number), ...DESCRIPTION });
    expect(request.snapshot().ageMs).toBeGreaterThanOrEqual(0);
    request.description = { ...DESCRIPTION, state: 'replying' };
    expect(request.snapshot().state).toBe('replying');
  });

  it('are announced to a listener when they begin and end, and it knows them after their end', () => {
    const table = new RequestsInFlight();
    const begun: TrackedRequest[] = [];
    const ended: TrackedRequest[] = [];
    const stop = table.listen({
      begin: (request) => void begun.push(request),
      end: (request) => void ended.push(request),
    });
    const request = new MadeUpRequest();
    table.begin(request);
    expect([begun, request.id, request.hasEnded]).toEqual([[request], 3, false]);
    table.end(request);
    expect([request.hasEnded, request.description, ended]).toEqual([true, undefined, [request]]);
    expect(request.snapshot()).toMatchObject({ id: 3, ...DESCRIPTION });
    stop();
    table.begin(new MadeUpRequest());
    expect(begun).toEqual([request]);
  });

  it('keep no reference after their end if there are no listeners', () => {
    const table = new RequestsInFlight();
    const request = new MadeUpRequest();
    table.begin(request);
    table.end(request);
    expect(request.description).toBeUndefined();
    expect(request.snapshot()).toMatchObject({ id: 3, route: undefined, handler: undefined });
  });

  it('are the same in all modules of an application, and others in another one', () => {
    const [one, another] = [new Map(), new Map()] as unknown as ModulesContainer[];
    expect(RequestsInFlight.of(one!)).toBe(RequestsInFlight.of(one!));
    expect(RequestsInFlight.of(one!)).not.toBe(RequestsInFlight.of(another!));
  });
});
