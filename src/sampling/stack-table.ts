import { type CallerFrame, callSitesOf, frameOf } from './call-stack.js';

/** Maximum number of frames; when it is exceeded, the table is cleared. */
const MOST_FRAMES = 50_000;

/** A frame with its callers. */
class Entry {
  /** By their position. */
  readonly callees = new Map<number, Entry>();
  /** Innermost first. */
  stack: readonly CallerFrame[] | undefined;

  constructor(
    readonly frame: CallerFrame | undefined,
    readonly caller: Entry | undefined,
    readonly file: string | null | undefined,
    readonly type: string | null | undefined,
    readonly name: string | null | undefined,
    /** Another entry with the same callers and position. */
    readonly next: Entry | undefined,
  ) {}
}

/**
 * A table of stacks. Equal stacks are usually the same array, unless there are very many. For known stacks only the properties that
 * distinguish call sites are read, which takes half the time of reading all properties of the frames.
 */
export class StackTable {
  private outermost = noFrame();
  private size = 0;

  /**
   * Like `callStackOf`.
   *
   * @param depth maximum number of frames
   */
  stackOf(callee: (...args: never[]) => unknown, depth?: number): readonly CallerFrame[] {
    try {
      return this.stackAt(callSitesOf(callee, depth));
    } catch {
      return [];
    }
  }

  stackAt(sites: readonly NodeJS.CallSite[]): readonly CallerFrame[] {
    if (this.size > MOST_FRAMES) this.clear();
    let entry = this.outermost;
    for (let i = sites.length - 1; i >= 0; i--) entry = this.callee(entry, sites[i]!);
    return (entry.stack ??= framesOf(entry));
  }

  private callee(caller: Entry, site: NodeJS.CallSite): Entry {
    const place = placeOf(site);
    const file = site.getScriptNameOrSourceURL();
    const type = site.getTypeName();
    const name = site.getFunctionName();
    const first = caller.callees.get(place);
    for (let entry = first; entry; entry = entry.next)
      if (entry.file === file && entry.type === type && entry.name === name) return entry;
    const added = new Entry(frameOf(site), caller, file, type, name, first);
    caller.callees.set(place, added);
    this.size++;
    return added;
  }

  private clear(): void {
    this.outermost = noFrame();
    this.size = 0;
  }
}

function noFrame(): Entry {
  return new Entry(undefined, undefined, null, null, null, undefined);
}

/** The position in the script, which V8 computes faster than the line. */
function placeOf(site: NodeJS.CallSite): number {
  return 2 * site.getPosition() + (site.isAsync() ? 1 : 0);
}

function framesOf(innermost: Entry): CallerFrame[] {
  const frames: CallerFrame[] = [];
  for (let entry = innermost; entry.caller; entry = entry.caller) frames.push(entry.frame!);
  return frames;
}
