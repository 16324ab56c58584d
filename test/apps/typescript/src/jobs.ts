/*
 * Types only: nothing of this file is left in what is built.
 */

/** A function that keeps the thread busy for a while. */
export type Spin = (seed: number) => number;

/** What to spend the time on. */
export interface Job {
  /** Of the whole time, from 0 to 1. */
  readonly share: number;
  readonly run: Spin;
}
