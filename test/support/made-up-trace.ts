import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type ActiveTrace,
  type OpenRegion,
  type OpenTask,
  type Run,
  setActiveTrace,
} from '../../src/sampling/active-trace.js';

/** Notes annotations, in place of a trace. */
export class MadeUpTrace implements ActiveTrace {
  /** `begin NAME` and `end NAME` of regions, `begin task NAME` and `end task NAME`, `log KEY=VALUE`; with the task they belong to. */
  readonly lines: string[] = [];
  /** The regions that contain what was logged, by its value. */
  readonly regions = new Map<string, string | undefined>();
  private readonly region = new AsyncLocalStorage<string>();
  private readonly task = new AsyncLocalStorage<string>();

  startRegion(name: string): OpenRegion {
    return this.open(name);
  }

  inRegion<T>(name: string, work: (end: () => void, run: Run) => T): T {
    const run: Run = (part) => this.region.run(name, part);
    const { end } = this.open(name);
    return run(() => work(end, run));
  }

  newTask(name: string): OpenTask {
    return { ...this.open(`task ${name}`), run: (work) => this.task.run(name, work) };
  }

  log(key: string, value: string): void {
    this.regions.set(value, this.region.getStore());
    this.note(`log ${key}=${value}`);
  }

  private open(name: string): OpenRegion {
    let isOpen = true;
    this.note(`begin ${name}`);
    return {
      end: () => {
        if (isOpen) this.lines.push(`end ${name}`);
        isOpen = false;
      },
    };
  }

  private note(line: string): void {
    const task = this.task.getStore();
    this.lines.push(task ? `${line} in ${task}` : line);
  }
}

/** @returns a trace that is recorded from here on */
export function startMadeUpTrace(): MadeUpTrace {
  const trace = new MadeUpTrace();
  setActiveTrace(trace);
  return trace;
}

/** For `afterEach`. */
export function stopMadeUpTrace(): void {
  setActiveTrace(undefined);
}
