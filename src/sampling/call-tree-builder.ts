import type { CallTree, RawFrame } from './sampler.js';

/** Gathers a {@link CallTree}; the same frame is kept once. */
export class CallTreeBuilder {
  private readonly frames: RawFrame[] = [];
  private readonly frameIds = new Map<string, number>();
  private readonly frameOf: number[] = [];
  private readonly parentOf: number[] = [];

  /** @param parent -1 for an outermost frame */
  node(parent: number, frame: RawFrame): number {
    this.parentOf.push(parent);
    return this.frameOf.push(this.idOf(frame)) - 1;
  }

  build(): CallTree {
    return { frames: this.frames, frameOf: this.frameOf, parentOf: this.parentOf };
  }

  private idOf(frame: RawFrame): number {
    const { functionName, url, functionLine, functionColumn, line } = frame;
    const key = `${functionName}\0${url}\0${functionLine}\0${functionColumn}\0${line}`;
    let id = this.frameIds.get(key);
    if (id === undefined) {
      id = this.frames.push(frame) - 1;
      this.frameIds.set(key, id);
    }
    return id;
  }
}
