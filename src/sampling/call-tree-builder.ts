import type { Runtime } from 'node:inspector';
import type { CallTree, RawFrame } from './sampler.js';

/** Number of maps for the nodes. A single map would be rehashed when it grows, which takes 20 ms for 100,000 nodes. */
const PARTS = 64;

/** Upper limit of frame ids; its product with the number of nodes is still a safe integer. */
const FRAMES = 2 ** 26;

/** Builds a {@link CallTree}; equal frames are stored once. */
export class CallTreeBuilder {
  private readonly frames: RawFrame[] = [];
  private readonly frameIds = new Map<string, number>();
  private readonly frameOf: number[] = [];
  private readonly parentOf: number[] = [];
  private readonly callees = Array.from({ length: PARTS }, () => new Map<number, number>());

  /** @param known frames of other trees, to share equal ones */
  constructor(private readonly known?: Map<string, RawFrame>) {}

  /** @param parent -1 for an outermost frame */
  node(parent: number, frame: RawFrame): number {
    return this.add(parent, this.idOf(frame));
  }

  /** The same, but returns the existing node if the parent has one for the frame. */
  callee(parent: number, frame: RawFrame): number {
    const id = this.idOf(frame);
    const callees = this.calleesOf(parent);
    const key = parent * FRAMES + id;
    let node = callees.get(key);
    if (node === undefined) {
      node = this.add(parent, id);
      callees.set(key, node);
    }
    return node;
  }

  /** The node that {@link callee} created for them, if any. */
  find(parent: number, frame: RawFrame): number | undefined {
    const id = this.frameIds.get(keyOf(frame));
    return id === undefined ? undefined : this.calleesOf(parent).get(parent * FRAMES + id);
  }

  build(): CallTree {
    return { frames: this.frames, frameOf: this.frameOf, parentOf: this.parentOf };
  }

  private add(parent: number, frameId: number): number {
    this.parentOf.push(parent);
    return this.frameOf.push(frameId) - 1;
  }

  private calleesOf(parent: number): Map<number, number> {
    return this.callees[(parent + 1) % PARTS]!;
  }

  private idOf(frame: RawFrame): number {
    const key = keyOf(frame);
    let id = this.frameIds.get(key);
    if (id === undefined) {
      const same = this.known?.get(key) ?? frame;
      this.known?.set(key, same);
      id = this.frames.push(same) - 1;
      this.frameIds.set(key, id);
    }
    return id;
  }
}

function keyOf(frame: RawFrame): string {
  const { functionName, url, scriptId, functionLine, functionColumn, line, column = 0 } = frame;
  return `${functionName}\0${url}\0${scriptId}\0${functionLine}\0${functionColumn}\0${line}\0${column}`;
}

/** Converts the inspector's frame, whose lines and columns are zero-based. */
export function frameOf(
  { functionName, url, scriptId, lineNumber, columnNumber }: Runtime.CallFrame,
  line = lineNumber + 1,
): RawFrame {
  return {
    functionName,
    url,
    scriptId: Number(scriptId),
    functionLine: lineNumber + 1,
    functionColumn: columnNumber + 1,
    line,
  };
}
