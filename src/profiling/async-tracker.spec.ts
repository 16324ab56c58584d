import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from '@jest/globals';
import { resolveRuntimeOptions } from '../pprof.options.js';
import { AsyncTracker, type PendingAwait } from './async-tracker.js';
import { RequestsInFlight, type RequestUnderWay, type TrackedRequest } from './requests-in-flight.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const trackers: AsyncTracker[] = [];
const underWay: TrackedRequest[] = [];
const inFlight = new RequestsInFlight();
afterEach(() => {
  for (const tracker of trackers.splice(0)) tracker.onModuleDestroy();
  for (const request of underWay.splice(0)) inFlight.end(request);
});

function tracking(
  goroutineProfileRate: number,
  enabled = true,
): { tracker: AsyncTracker; requests: RequestsInFlight } {
  const requests = new RequestsInFlight();
  const tracker = new AsyncTracker(resolveRuntimeOptions({ goroutineProfileRate, enabled }), requests);
  trackers.push(tracker);
  return { tracker, requests };
}

const contexts = new AsyncLocalStorage<string>();

/** A request that comes in: what it does is in an execution of its own. */
function arrives(requests: RequestsInFlight, route: string, handle: () => Promise<unknown>): RequestUnderWay {
  const request: TrackedRequest = {
    place: 0,
    startedMs: performance.now(),
    method: 'GET',
    route,
    handler: undefined,
    phase: 'handling',
    clientGone: false,
  };
  contexts.run(route, () =>
    setImmediate(() => {
      requests.begin(request);
      underWay.push(request);
      void handle().finally(() => requests.end(underWay.splice(underWay.indexOf(request), 1)[0]!));
    }),
  );
  return request;
}

/** Those of this file. */
function pendingAt(tracker: AsyncTracker, name: string): PendingAwait[] {
  return tracker.pendingAwaits().filter(({ stack }) => stack[0]?.functionName === name);
}

let open: (() => void)[] = [];
async function hangs(): Promise<void> {
  await Promise.resolve();
  await new Promise<void>((resolve) => open.push(resolve));
}

async function loses(): Promise<void> {
  await new Promise(() => {});
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describe('AsyncTracker', () => {
  it('knows requests, whatever the rate', async () => {
    const { tracker, requests } = tracking(0);
    const request = arrives(requests, '/a', hangs);
    await turns(3);
    expect(tracker.requests()).toEqual([request]);
    expect(tracker.pendingAwaits()).toEqual([]);
    for (const goOn of open.splice(0)) goOn();
    await turns(3);
    expect(tracker.requests()).toEqual([]);
  });

  it('tells what a request awaits, also after its first await, and loses no context of the application', async () => {
    const { tracker, requests } = tracking(1);
    const seen: (string | undefined)[] = [];
    const [first, second] = ['/a', '/b'].map((route) =>
      arrives(requests, route, async () => {
        await hangs();
        seen.push(contexts.getStore());
      }),
    );
    await turns(3);
    const pending = pendingAt(tracker, 'hangs');
    expect(pending.map(({ request, weight, state }) => [request, weight, state])).toEqual([
      [first, 1, 'chan receive'],
      [second, 1, 'chan receive'],
    ]);
    expect(pending[0]!.since).toBeGreaterThanOrEqual(first!.startedMs);
    expect(pending[0]!.id).not.toBe(pending[1]!.id);
    for (const goOn of open.splice(0)) goOn();
    await turns(3);
    expect(pendingAt(tracker, 'hangs')).toEqual([]);
    expect(seen.sort()).toEqual(['/a', '/b']);
  });

  it('knows no request of what is done for none', async () => {
    const { tracker } = tracking(1);
    const waiting = hangs();
    await turns(3);
    expect(pendingAt(tracker, 'hangs').map(({ request }) => request)).toEqual([undefined]);
    for (const goOn of open.splice(0)) goOn();
    await waiting;
  });

  it('lets one await in N stand for N', async () => {
    const { tracker } = tracking(4);
    const waiting: Promise<void>[] = [];
    for (let i = 0; i < 400; i++) {
      waiting.push(hangs());
      if (i % 20 === 0) await turn();
    }
    await turns(3);
    const pending = pendingAt(tracker, 'hangs');
    expect(new Set(pending.map(({ weight }) => weight))).toEqual(new Set([4]));
    expect(pending.length).toBeGreaterThan(50); // 100, and six standard deviations
    expect(pending.length).toBeLessThan(155);
    for (const goOn of open.splice(0)) goOn();
    await Promise.all(waiting);
  });

  it('forgets what it has tracked when the rate changes, and tells nothing where it is off', async () => {
    const { tracker } = tracking(1);
    const waiting = hangs();
    await turns(2);
    expect(pendingAt(tracker, 'hangs')).toHaveLength(1);
    tracker.awaitRate.set(2);
    expect(tracker.pendingAwaits()).toEqual([]);
    tracker.awaitRate.set(0);
    expect(tracker.pendingAwaits()).toEqual([]);
    for (const goOn of open.splice(0)) goOn();
    await waiting;
    expect(tracking(1, false).tracker.awaitRate.inForce).toBe(0);
  });

  it('counts what was lost by its place and its route, and keeps that when it is off', async () => {
    const { tracker, requests } = tracking(1);
    for (let i = 0; i < 3; i++) arrives(requests, '/a', loses);
    arrives(requests, '/b', loses);
    const found = (): (readonly [string | undefined, number])[] =>
      tracker.leakedAwaits().map(({ first, count }) => [first.request?.route, count] as const);
    for (let i = 0; i < 50 && found().reduce((sum, [, count]) => sum + count, 0) < 4; i++) {
      await turn();
      gc();
    }
    expect(found().sort()).toEqual([
      ['/a', 3],
      ['/b', 1],
    ]);
    tracker.awaitRate.set(0);
    expect(found()).toHaveLength(2);
  });
});
