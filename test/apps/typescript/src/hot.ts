/*
 * The lines of this file and those of what is built from it are far apart: comments, types and overloads are above the
 * code, and tools leave them out. So a profile that shows these lines got them from a source map.
 *
 * The tests look for the comments that begin with "hot", at whose lines all of the time is, and all that is held.
 */
import type { Spin } from './jobs.js';

/** How often a loop goes round. */
export type Rounds = number;

/** What the loops are made of. */
interface Mixing {
  readonly factor: number;
  readonly rounds: Rounds;
}

/** Left in what is built, and of no cost. */
const rounds: Mixing['rounds'] = 200_000;

/** What is alive while the heap is read. */
const kept: string[][] = [];

/**
 * Takes 70 % of the time.
 *
 * @param seed any whole number
 */
export function hotA(seed: Parameters<Spin>[0]): ReturnType<Spin> {
  let sum: number = seed;
  for (let i = 0; i < rounds; i++) sum = (sum * 31 + i) | 0; // hot A
  return sum;
}

/**
 * Takes 30 % of the time. An arrow function: V8 and the tools name it otherwise than a declared one.
 *
 * @param seed any whole number
 */
export const hotB = (seed: number): number => {
  let sum: number = seed;
  for (let i = 0; i < rounds; i++) sum = (sum * 17 - i) | 0; // hot B
  return sum;
};

/** Holds 25 MB or so for good. */
export function hold(): { count: number } {
  for (let i = 0; i < 100; i++) kept.push(Array.from<string>({ length: 32_768 }).fill('held')); // hot heap
  return { count: kept.length };
}
