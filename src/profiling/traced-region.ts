import type { RawFrame } from '../sampling/sampler.js';
import {
  Context,
  type Execution,
  type ExecutionRecorder,
  type Region,
} from '../sampling/trace-executions.js';
import type { LateRegion } from './framework-regions.js';

/** Is told of regions. */
export interface RegionSink {
  now(): number;
  /** A number for a region. */
  nextRegion(): number;
  regionBegins(
    at: number,
    name: string,
    context: Context,
    region: Region,
    stack: readonly RawFrame[] | undefined,
  ): void;
  regionEnds(context: Context, region: Region): void;
}

/**
 * A region of what is current when it is made.
 *
 * Regions of one execution nest. One that begins while another is open that it is not within, such as that of the second
 * call in a `Promise.all`, goes on beside it: it is in an execution of its own.
 */
export class TracedRegion implements LateRegion {
  private context: Context;
  private region: Region;
  private hasBegun = false;
  private wasCalled = false;
  private branch: Execution | undefined;

  constructor(
    private readonly sink: RegionSink,
    private readonly recorder: ExecutionRecorder,
  ) {
    const { execution, task, region: parent } = recorder.current;
    this.region = { number: sink.nextRegion(), parent, isOpen: false };
    this.context = new Context(execution, task, this.region);
  }

  begin(name: string, at = this.sink.now(), stack?: readonly RawFrame[]): void {
    if (this.isBeside()) this.branchOff(name, at);
    const { context, region } = this;
    const { execution } = context;
    // Else what has begun in its place already is within it.
    if (openOne(execution.region) === openOne(region.parent)) execution.region = region;
    region.isOpen = true;
    this.hasBegun = true;
    this.sink.regionBegins(at, name, context, region, stack);
  }

  within<T>(work: () => T): T {
    this.wasCalled = true;
    return this.recorder.within(this.context, work);
  }

  /** It is current from here on, in this callback and in what begins in it. */
  enter(): void {
    this.recorder.enter(this.context);
  }

  end(): void {
    const { region, context, branch } = this;
    if (!this.hasBegun || !region.isOpen) return;
    const { execution, task } = context;
    for (const inner of regionsWithin(region, execution)) inner.isOpen = false;
    region.isOpen = false;
    execution.region = openOne(execution.region);
    this.sink.regionEnds(context, region);
    if (branch) this.recorder.end(branch);
    else if (this.recorder.current === context) {
      this.recorder.enter(new Context(execution, task, region.parent));
    }
  }

  /** What was called already is in it, whatever has begun meanwhile. */
  private isBeside(): boolean {
    const { execution } = this.context;
    if (this.wasCalled || execution === this.recorder.outside) return false;
    return openOne(execution.region) !== openOne(this.region.parent);
  }

  private branchOff(name: string, at: number): void {
    this.branch = this.recorder.begin(name, at);
    this.recorder.tell(this.branch);
    this.region = { ...this.region, parent: undefined };
    this.context = new Context(this.branch, this.context.task, this.region);
  }
}

/** The region itself, or the innermost one around it that has begun and not ended. */
function openOne(region: Region | undefined): Region | undefined {
  let open = region;
  while (open && !open.isOpen) open = open.parent;
  return open;
}

/** They end with it. */
function regionsWithin(region: Region, execution: Execution): Region[] {
  const within: Region[] = [];
  for (let inner = execution.region; inner; inner = inner.parent) {
    if (inner === region) return within;
    within.push(inner);
  }
  return []; // it is beside them
}
