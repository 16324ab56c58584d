import type { Wait } from '../../sampling/wait-sample.js';
import { StackTotals } from '../stack-totals.js';
import { awaitLabels } from './executions.js';
import { type RequestInFlight, requestOf } from './requests-in-flight.js';

/** An await that can never be resumed. */
export interface LostAwait extends Pick<Wait, 'id' | 'begin' | 'state' | 'stack'> {
  readonly request: RequestInFlight | undefined;
  /** Of how many it is a sample. */
  readonly count: number;
}

/** How many are kept one by one. */
const MOST_KEPT = 10_000;

/** The awaits that can never be resumed, since tracking began: their numbers, and the last ones themselves. */
export class LostAwaits {
  readonly totals = new StackTotals();
  private readonly kept: LostAwait[] = [];

  /** Those that are kept one by one, the oldest first. */
  get last(): LostAwait[] {
    return this.kept.toSorted((a, b) => a.begin - b.begin);
  }

  /** @param count of how many it is a sample */
  add({ id, begin, state, stack, context }: Wait, count: number): void {
    const request = requestOf(context);
    if (request?.own) return;
    this.totals.add(stack, [count], awaitLabels(state, request));
    this.kept.push({ id, begin, state, stack, request, count });
    if (this.kept.length > MOST_KEPT) this.kept.splice(0, MOST_KEPT / 10);
  }
}
