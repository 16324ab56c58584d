import type { Wait } from '../../sampling/wait-sample.js';
import { StackTotals } from '../stack-totals.js';
import { awaitLabels } from './executions.js';
import { type RequestInFlight, requestOf } from './requests-in-flight.js';

/** An await that can never resume. */
export interface LostAwait extends Pick<Wait, 'id' | 'begin' | 'state' | 'stack'> {
  readonly request: RequestInFlight | undefined;
  /** Number of awaits that it represents. */
  readonly count: number;
}

/** Number of awaits that are kept individually. */
const MOST_KEPT = 10_000;

/** The awaits that can never resume, since tracking began: totals by stack, and the last ones individually. */
export class LostAwaits {
  readonly totals = new StackTotals();
  private readonly kept: LostAwait[] = [];

  /** The awaits that are kept individually, oldest first. */
  get last(): LostAwait[] {
    return this.kept.toSorted((a, b) => a.begin - b.begin);
  }

  /** @param count number of awaits that it represents */
  add({ id, begin, state, stack, context }: Wait, count: number): void {
    const request = requestOf(context);
    if (request?.own) return;
    this.totals.add(stack, [count], awaitLabels(state, request));
    this.kept.push({ id, begin, state, stack, request, count });
    if (this.kept.length > MOST_KEPT) this.kept.splice(0, MOST_KEPT / 10);
  }
}
