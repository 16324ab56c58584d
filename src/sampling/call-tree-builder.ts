import type { CallTree, RawFrame } from './sampler.js';

/** How many maps there are for nodes and frames: one that grows is made anew, which for 100,000 takes 20 ms at once. */
const PARTS = 64;

/** More than there are frames; times as many nodes it is still a whole number. */
const FRAMES = 2 ** 26;

/** Gathers a {@link CallTree}; the same frame is kept once. */
export class CallTreeBuilder {
  private readonly frames: RawFrame[] = [];
  /** By {@link hashOf}: a text made of each frame would leave as much garbage as V8's own profile is large. */
  private readonly frameIds = Array.from({ length: PARTS }, () => new Map<number, number[]>());
  private readonly frameOf: number[] = [];
  private readonly parentOf: number[] = [];
  private readonly callees = Array.from({ length: PARTS }, () => new Map<number, number>());

  /** @param parent -1 for an outermost frame */
  node(parent: number, frame: RawFrame): number {
    return this.add(parent, this.idOf(frame));
  }

  /** The same, but one node for a frame under a parent, however often it is asked for. */
  callee(parent: number, frame: RawFrame): number {
    const id = this.idOf(frame);
    const callees = this.callees[(parent + 1) % PARTS]!;
    const key = parent * FRAMES + id;
    let node = callees.get(key);
    if (node === undefined) {
      node = this.add(parent, id);
      callees.set(key, node);
    }
    return node;
  }

  build(): CallTree {
    return { frames: this.frames, frameOf: this.frameOf, parentOf: this.parentOf };
  }

  private add(parent: number, frameId: number): number {
    this.parentOf.push(parent);
    return this.frameOf.push(frameId) - 1;
  }

  private idOf(frame: RawFrame): number {
    const hash = hashOf(frame);
    const part = this.frameIds[hash & (PARTS - 1)]!;
    const known = part.get(hash);
    const id = known?.find((candidate) => isSame(this.frames[candidate]!, frame));
    if (id !== undefined) return id;
    const added = this.frames.push(frame) - 1;
    if (known) known.push(added);
    else part.set(hash, [added]);
    return added;
  }
}

/** Mostly a number of the frame's own. */
function hashOf({ functionName, scriptId, functionLine, functionColumn, line }: RawFrame): number {
  return (
    ((((functionLine * 4099 + functionColumn) * 31 + functionName.length) * 31 + line) * 31 + scriptId) | 0
  );
}

function isSame(a: RawFrame, b: RawFrame): boolean {
  return (
    a.line === b.line &&
    a.functionLine === b.functionLine &&
    a.functionColumn === b.functionColumn &&
    a.scriptId === b.scriptId &&
    a.functionName === b.functionName &&
    a.url === b.url
  );
}
