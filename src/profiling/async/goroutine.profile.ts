import { Injectable } from '@nestjs/common';
import { type Execution, goroutineDump } from '../../format/goroutine-dump.js';
import type { Frame } from '../../format/profile.js';
import type { Wait } from '../../sampling/wait-sample.js';
import { callStackOf } from '../../sampling/call-stack.js';
import { workerStacks } from '../../sampling/worker-stacks.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { countsHeader, framesByKey, profileOf, resolveSamples } from '../frames/stack-samples.js';
import { HoldMeter, runSliced } from '../loop.js';
import { RatedProfile } from '../rated-profile.js';
import { StackTotals } from '../stack-totals.js';
import {
  awaitExecution,
  awaitLabels,
  LEAKED,
  named,
  requestExecution,
  requestFrame,
  requestLabels,
  threadExecution,
  type ThreadNow,
  threadsNow,
} from './executions.js';
import type { LostAwait } from './lost-awaits.js';
import { PendingAwaits } from './pending-awaits.js';
import { type RequestInFlight, requestOf, RequestsInFlight } from './requests-in-flight.js';

const SAMPLE_TYPES = [{ type: 'goroutine', unit: 'count' }];

/** Awaits between two yields. */
const SLICE = 500;

/** The work in progress at one moment. */
interface Snapshot {
  /** Oldest first. */
  readonly awaits: readonly (Wait | LostAwait)[];
  /** Requests by the contexts of the awaits. */
  readonly requestOf: ReadonlyMap<unknown, RequestInFlight>;
  /** Requests without known awaits, oldest first. */
  readonly requests: readonly RequestInFlight[];
  /** Number of Node's active resources, by type. */
  readonly resources: Readonly<Record<string, number>>;
}

/** `goroutine`: the work in progress: requests in flight, pending `await`s, and the current stacks of the threads. */
@Injectable()
export class GoroutineProfile extends RatedProfile {
  readonly name = 'goroutine';
  readonly description =
    'Work in progress: requests in flight and, if switched on, pending awaits by stack. debug=2 lists each one with its age.';
  override readonly hasDump = true;

  constructor(
    private readonly awaits: PendingAwaits,
    private readonly requests: RequestsInFlight,
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(log, awaits.rate);
  }

  /** Requests in flight are in it whatever the rate is. */
  override get isOff(): boolean {
    return false;
  }

  protected read(): Promise<CapturedProfile> {
    const own = callStackOf(this.read);
    return this.gather(async () => threadsNow(own, await workerStacks()));
  }

  /** Without threads: a difference of what they execute at two moments has no meaning. */
  protected override readForWindow(): Promise<CapturedProfile> {
    return this.gather(async () => []);
  }

  private async gather(threadsOf: () => Promise<ThreadNow[]>): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const rate = this.rate.now;
    await runSliced(this.awaits.findLost(), holds); // awaits that V8 has already collected
    const now = performance.now();
    const snapshot = await runSliced(this.snapshot(), holds);
    const threads = await threadsOf();
    const totals = await runSliced(counted(threads, snapshot, rate), holds);
    const samples = await runSliced(totals.samples(), holds);
    const resolved = await resolveSamples(samples, SAMPLE_TYPES.length, this.frames, holds);
    const comments = this.log.comments([this.about, ...totals.comments]);
    const profile = await profileOf(countsHeader(SAMPLE_TYPES, comments), resolved, holds);
    const stacks = await runSliced(framesByKey(samples, resolved), holds);
    return new CapturedProfile(this.name, profile, holds, {
      dump: () => this.dump(executions(threads, snapshot, stacks, now), snapshot),
    });
  }

  private get about(): string {
    return `tracking of awaits is ${this.status}`;
  }

  private *snapshot(): Generator<void, Snapshot> {
    const known = new Map<unknown, RequestInFlight>();
    const lost = this.awaits.lost.last;
    const ids = new Set(lost.map(({ request }) => request?.id));
    const awaits: (Wait | LostAwait)[] = [];
    let count = 0;
    for (const wait of this.awaits.pending()) {
      if (++count % SLICE === 0) yield;
      const { context } = wait;
      const request = known.get(context) ?? requestOf(context);
      if (request?.own) continue; // the request that reads this profile
      if (request) known.set(context, request);
      while (lost.length > 0 && lost[0]!.begin <= wait.begin) awaits.push(lost.shift()!);
      awaits.push(wait);
    }
    awaits.push(...lost);
    const requests: RequestInFlight[] = [];
    for (const request of this.requests) {
      if (++count % SLICE === 0) yield;
      if (!known.has(request) && !ids.has(request.id)) requests.push(request.snapshot());
    }
    return {
      awaits,
      requestOf: known,
      requests: requests.filter(({ own }) => !own),
      resources: this.rate.now > 0 ? {} : activeResources(),
    };
  }

  /** The lines before the first block are skipped by readers of Go's dumps. */
  private *dump(blocks: Iterable<Execution>, { resources }: Snapshot): Generator<void, string[]> {
    const counts = Object.entries(resources).map(([type, count]) => `${count} ${type}`);
    const lines = [this.about, ...(counts.length > 0 ? [`active resources: ${counts.join(', ')}`] : [])];
    return [`${lines.join('\n')}\n\n`, ...(yield* goroutineDump(blocks))];
  }
}

function activeResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

/**
 * Counts executions by stack. At a rate above 1, a request without sampled awaits may have others, so such requests are not
 * counted.
 */
function* counted(
  threads: readonly ThreadNow[],
  snapshot: Snapshot,
  rate: number,
): Generator<void, StackTotals> {
  const totals = new StackTotals();
  for (const { stack, state, labels } of threads) totals.add(stack, [1], { ...labels, state });
  for (const [i, one] of snapshot.awaits.entries()) {
    if (i % SLICE === 0) yield;
    const count = isLost(one) ? one.count : rate;
    totals.add(one.stack, [count], awaitLabels(one.state, requestFor(one, snapshot)));
  }
  if (rate <= 1)
    for (const request of snapshot.requests)
      totals.add(named(requestFrame(request)), [1], requestLabels(request));
  for (const [type, count] of Object.entries(snapshot.resources))
    totals.add(named(type, '(active resources)'), [count]);
  return totals;
}

function isLost(one: Wait | LostAwait): one is LostAwait {
  return 'count' in one;
}

function requestFor(one: Wait | LostAwait, { requestOf }: Snapshot): RequestInFlight | undefined {
  return isLost(one) ? one.request : requestOf.get(one.context);
}

/** The calling thread, the other threads, then awaits and requests, oldest first. */
function* executions(
  threads: readonly ThreadNow[],
  snapshot: Snapshot,
  stacks: ReadonlyMap<string, readonly Frame[]>,
  now: number,
): Generator<Execution, void> {
  for (const thread of threads) yield threadExecution(thread, stacks.get(thread.stack.key)!);
  const { requests } = snapshot;
  let next = 0;
  for (const one of snapshot.awaits) {
    while (next < requests.length && requests[next]!.ageMs >= now - one.begin)
      yield requestExecution(requests[next++]!);
    const stack = stacks.get(one.stack.key) ?? [];
    yield awaitExecution(one, stack, requestFor(one, snapshot), now, isLost(one) ? LEAKED : '');
  }
  while (next < requests.length) yield requestExecution(requests[next++]!);
}
