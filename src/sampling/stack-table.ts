import { frameOf } from './call-stack.js';
import type { RawFrame } from './sampler.js';

/** Different stacks that are known; more are forgotten together, and begin anew. */
const MOST_STACKS = 20_000;

/** Keeps each stack once: those who wait in one place share it, and can be counted by it. */
export class StackTable {
  private stacks = new Map<string, readonly RawFrame[]>();

  /** The same array for the same stack. */
  ofSites(sites: readonly NodeJS.CallSite[]): readonly RawFrame[] {
    return this.of(sites.map(frameOf));
  }

  /** The same array for the same stack. */
  of(frames: readonly RawFrame[]): readonly RawFrame[] {
    const key = frames.map(keyOf).join('\n');
    const known = this.stacks.get(key);
    if (known) return known;
    if (this.stacks.size >= MOST_STACKS) this.stacks = new Map();
    this.stacks.set(key, frames);
    return frames;
  }
}

/** In a bundle there are many functions of one name in one line. */
function keyOf({ functionName, className, url, scriptId, line, functionColumn }: RawFrame): string {
  return `${className}.${functionName} ${url} ${scriptId}:${line}:${functionColumn}`;
}
