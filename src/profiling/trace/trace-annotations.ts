import { AsyncLocalStorage } from 'node:async_hooks';
import type { ActiveTrace, OpenRegion, OpenTask, Run } from '../../sampling/active-trace.js';
import type { Execution } from './execution.js';
import type { TraceRecorder } from './trace-recorder.js';

/** The current region and task of everything that these contain. */
interface Scope {
  readonly region: number | undefined;
  readonly execution: Execution;
  readonly task: number;
}

/** Adds tasks, regions and log messages to a recorder's trace. */
export class TraceAnnotations implements ActiveTrace {
  private readonly scope = new AsyncLocalStorage<Scope>();

  constructor(private readonly recorder: TraceRecorder) {}

  startRegion(name: string): OpenRegion {
    const execution = this.recorder.decided();
    const region = this.openRegion(execution, name);
    return { end: once(() => this.closeRegion(execution, region)) };
  }

  /** If the innermost open region does not contain this one, they are concurrent: then this one gets its own execution. */
  inRegion<T>(name: string, work: (end: () => void, run: Run) => T): T {
    const { recorder } = this;
    const caller = recorder.decided();
    const outer = this.scope.getStore();
    if (caller.scopes.at(-1) === (outer?.execution === caller ? outer.region : undefined))
      return this.inScope(caller, name, work);
    const own = recorder.create(recorder.buffer.start(name), { task: this.task(caller) });
    return recorder.runAs(own, () => this.inScope(own, name, work));
  }

  newTask(name: string): OpenTask {
    const { recorder } = this;
    const { buffer } = recorder;
    const execution = recorder.decided();
    const task = buffer.newId();
    const nameId = buffer.newId();
    buffer.name(nameId, String(name));
    recorder.emit({
      type: 'task',
      ...recorder.at(execution),
      task,
      parent: this.task(execution),
      name: nameId,
    });
    const { region } = this.scope.getStore() ?? {};
    return {
      run: (work) => this.scope.run({ region, execution, task }, work),
      end: once(() => recorder.emit({ type: 'task-end', ...recorder.at(recorder.begun()), task })),
    };
  }

  log(key: string, value: string): void {
    const { recorder } = this;
    const execution = recorder.decided();
    const of = { ...recorder.at(execution), task: this.task(execution) };
    recorder.emit({ type: 'log', ...of, key: String(key), value: String(value) }); // JavaScript callers may pass other types
  }

  /** Forgets the current regions and tasks. */
  stop(): void {
    this.scope.disable();
  }

  private inScope<T>(execution: Execution, name: string, work: (end: () => void, run: Run) => T): T {
    const region = this.openRegion(execution, name);
    const task = this.task(execution);
    const { scopes } = execution;
    scopes.push(region);
    const end = once(() => {
      scopes.splice(scopes.indexOf(region), 1);
      this.closeRegion(execution, region);
      this.recorder.endIfOver(execution);
    });
    const run: Run = (part) => this.scope.run({ region, execution, task }, part);
    return run(() => work(end, run));
  }

  private openRegion(execution: Execution, name: string): number {
    const { recorder } = this;
    const region = recorder.buffer.newId();
    recorder.emit({
      type: 'region',
      ...recorder.at(execution),
      region,
      task: this.task(execution),
      name: String(name),
    });
    return region;
  }

  private closeRegion(execution: Execution, region: number): void {
    this.recorder.begun();
    this.recorder.emit({ type: 'region-end', ...this.recorder.at(execution), region });
  }

  private task(execution: Execution): number {
    return this.scope.getStore()?.task ?? execution.task;
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
