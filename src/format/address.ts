/**
 * Synthetic addresses. V8 reports no program counters, but scrapers identify samples only by the addresses of their locations (for
 * example Alloy's delta), and `/symbol` looks up names by address. So each place in the code needs an address that is the same in
 * every profile and every run, is not 0, and is a safe integer in JavaScript.
 */

const { imul } = Math;

const UPPER_BITS = 0x1fffff; // 53 bits in all: 21 above the lower 32

/**
 * The address of a place in the code; equal arguments have the same address in every process.
 *
 * It hashes V8's name of the function, not the displayed name, so that improving displayed names doesn't change addresses.
 * (Two 32-bit multiplicative hashes with the finalizer of MurmurHash3.)
 *
 * @returns a whole number from 1 to 2^53 - 1
 */
export function addressOf(functionName: string, url: string, line: number, column: number): number {
  const key = `${functionName}\0${url}\0${line}\0${column}`;
  let low = 0x9747b28c;
  let high = 0x2545f491;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    low = imul(low ^ code, 0x9e3779b1);
    high = imul(high ^ code, 0x85ebca77);
  }
  low = scramble(low ^ (high >>> 13));
  high = scramble(high ^ (low >>> 13));
  return (high & UPPER_BITS) * 0x1_0000_0000 + (low >>> 0) || 1;
}

function scramble(hash: number): number {
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
