import { type AsyncHook, createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import { types } from 'node:util';
import { callSites } from './call-stack.js';
import { isUsers, placeOfWait } from './place-of-wait.js';
import { namedFrame, type RawFrame } from './sampler.js';
import { StackTable } from './stack-table.js';
import { type Cause, CAUSE_OF_TYPE, causeOfClass } from './trace-causes.js';
import { ONE_CALLBACK } from './wait-state.js';

/** What an execution waited for. */
export type WaitedFor = Exclude<Cause, 'ready'>;

/** Is told what executions do; nothing of it may throw. Times are ns since the recorder began. */
export interface ExecutionSink {
  /** It begins, or is known from now on. */
  execution(at: number, execution: Execution): void;
  run(at: number, execution: Execution): void;
  /** Nothing runs any more of what is outside of all executions. */
  idle(at: number): void;
  wait(at: number, execution: Execution, cause: WaitedFor, stack: readonly RawFrame[] | undefined): void;
  wake(at: number, execution: Execution, by: Execution | undefined): void;
  ended(at: number, execution: Execution): void;
  /** Something that cannot be has happened; nothing more is told. */
  failed(error: Error): void;
}

/** One asynchronous execution: a request, a chain of timers. */
export class Execution {
  /** What it is in: see {@link Context}. */
  readonly context: Context;
  /** It was told of. */
  isTold = false;
  hasEnded = false;
  /** When it left the stack; 0 while it is there. */
  leftAt = 0;
  /** The turn of the event loop in which it did. */
  leftInTurn = 0;
  /** That it waits was told. */
  isWaitTold = false;
  /** Callbacks of its own that are still to come. */
  pending = 0;
  /** What it began last, and where: it waits for that, if nobody knows better. */
  cause: WaitedFor | undefined;
  place: readonly RawFrame[] | undefined;
  /** Where it awaits promises is looked for, which costs: others of its name have waited nobody knew where. */
  isLookedAt = false;
  /** The innermost of its regions that have begun and not ended. */
  region: Region | undefined;
  /** What it does when it has ended nevertheless: what a handler leaves running behind its answer. */
  afterwards: Execution | undefined;

  constructor(
    /** Of that recording, and of no other. What is left on sockets holds on to no more than that. */
    readonly recording: object,
    public id: number,
    public beganAt: number,
    public name: string,
    /** Its handler or callback. */
    public start: RawFrame | undefined,
    /** The number of the one that began it. */
    readonly by: number | undefined,
    /** Somebody tells its end; else it is over when nothing of it is left. */
    readonly isOpen: boolean,
  ) {
    this.context = new Context(this, undefined, undefined);
  }
}

/** A part of an execution that has a name. */
export interface Region {
  readonly number: number;
  /** What it is within. */
  readonly parent: Region | undefined;
  /** It has begun, and has not ended. */
  isOpen: boolean;
}

/** What is current: an execution, the task that it works at, the region that it is in. What begins in it inherits it. */
export class Context {
  constructor(
    readonly execution: Execution,
    readonly task: number | undefined,
    readonly region: Region | undefined,
  ) {}
}

/** On promises and resources: a symbol costs less than a map by their numbers, and goes when they do. */
const CONTEXT = Symbol('nestjs-pprof/context');
const ORIGIN = Symbol('nestjs-pprof/origin');

interface Resource {
  [CONTEXT]?: Context;
  [ORIGIN]?: Origin;
}

/** What is known of a resource that somebody may wait for. */
interface Origin {
  readonly cause: Cause;
  /** Of a timer. */
  readonly beganAt: number;
  readonly place: readonly RawFrame[] | undefined;
  /** Its callback comes once, and has not come. */
  isPending: boolean;
}

interface TimerResource extends Resource {
  hasRef(): boolean;
  readonly _idleTimeout?: number;
  readonly _onTimeout?: unknown;
  readonly _repeat?: number | null;
}

/** What is outside of all executions. */
export const OUTSIDE_ID = 1;

/** Between two callbacks of one execution, in ns: less is no wait. */
const SHORT = 20_000;
/** What goes on in the same turn of the event loop after so many ns at most has not waited, others went before it. */
const SOON = 1e6;
/** What waits for so long, in ns, is told before it is known what for. */
const LONG = 800e6;
/** An execution that has nothing left to wait for has ended, after so long. */
const OVER = 200e6;
/** A wait that nobody knows the place of is worth looking for it, from so many ns on. */
const WORTH_A_LOOK = 500_000;
/** The first ones of a name are looked at anyhow. */
const LOOKS = 3;
/** Looking costs a busy request more than all else: after the first ones, there are so many a second. */
const LOOKS_A_SECOND = 10;
/** Names of executions that something is known of. */
const MOST_NAMES = 1000;
/** Frames of a stack, a few of our own and Node's among them. */
const DEPTH = 30;
/** As many as there are between the hook and who makes a timer. */
const FEW = 10;

/** What is sent: nobody waits for it as for an answer. */
const NOT_AWAITED: ReadonlySet<string> = new Set(['SHUTDOWNWRAP', 'WRITEWRAP']);

/** Functions of Node's own, by their names: watching connections, sockets that do nothing, the time in headers. */
const NODES_TIMERS: ReadonlySet<string> = new Set([
  'bound ',
  'bound _onTimeout',
  'bound checkConnections',
  'onTick',
  'resetCache',
]);

/** Resources whose callbacks are an execution each, where nobody else's is there: what comes from outside. */
const MESSAGES: ReadonlyMap<string, string> = new Map([
  ['FSEvent', '(file watcher)'],
  ['MessagePort', '(message)'],
  ['Process', '(child process)'],
  ['Signal', '(signal)'],
  ['UDP', '(datagram)'],
]);

/** What is known of executions of one name, from earlier ones. */
interface Experience {
  looks: number;
  /** It is worth looking where they wait. */
  isLookedAt: boolean;
  /** What a long wait was for. */
  longFor: WaitedFor | undefined;
}

/** By name. The next trace knows it from its begin on. */
const experiences = new Map<string, Experience>();

function experienceOf(name: string): Experience {
  let experience = experiences.get(name);
  if (experience === undefined) {
    if (experiences.size >= MOST_NAMES) experiences.clear();
    experience = { looks: 0, isLookedAt: false, longFor: undefined };
    experiences.set(name, experience);
  }
  return experience;
}

/** The modules by which applications make timers; all others are Node's own. */
const TIMERS: ReadonlySet<string> = new Set(['node:timers', 'node:timers/promises']);

/**
 * Tells what runs on this thread and what waits, by a hook of `async_hooks`: each promise and resource belongs to the
 * execution in which it began, and its callbacks are that one's.
 *
 * What an execution waited for is known when it goes on, from what woke it. So a wait is told late, up to {@link LONG}.
 */
export class ExecutionRecorder {
  readonly outside: Execution;
  private readonly recording = {};
  /** What begins now begins in it. */
  current: Context;
  private readonly hook: AsyncHook;
  private readonly stacks = new StackTable();
  private readonly alive = new Set<Execution>();
  /** Executions that are looked at in this second, which began then. */
  private looks = 0;
  private looksSince = 0;
  private readonly beginMs = performance.now();
  private lastId = OUTSIDE_ID;

  /** Callbacks on the stack, one called by the other: their callers' contexts. */
  private readonly callers: Context[] = [];
  private depth = 0;
  /** What is on the stack, or was last. */
  private running: Execution;
  /** Since when what is outside runs, while that was not told; else 0. */
  private outsideSince = 0;
  /** When the outermost callback left the stack; 0 while one is there. */
  private leftAt = 0;
  private turn = 0;
  /** The resource whose callback began this turn, and what it is. */
  private turnOf: Resource | undefined;
  private turnOwner: Execution | undefined;
  private turnCause: Cause | undefined;
  /** Whose promise's reaction ran last in this turn. */
  private reacted: Execution | undefined;
  /** The callback that runs is one of `process.nextTick`. */
  private isOwnTick = false;
  /** The newest promise or resource. */
  private newest = 0;
  // Of the outermost callback, for executions that are looked at:
  /** The newest of them when it began. */
  private bornBefore = 0;
  /** The newest promise that was derived from another one in it. */
  private lastDerived = 0;

  constructor(private readonly sink: ExecutionSink) {
    this.outside = new Execution(this.recording, OUTSIDE_ID, 0, '(event loop)', undefined, undefined, true);
    this.outside.isTold = true;
    this.current = this.outside.context;
    this.running = this.outside;
    // Node ends the process for what a hook throws, and resources are what users make of them.
    this.hook = createHook({
      init: (id, type, trigger, resource) => {
        try {
          this.begins(id, type, trigger, resource);
        } catch (error) {
          this.giveUp(error);
        }
      },
      before: () => {
        try {
          this.before();
        } catch (error) {
          this.giveUp(error);
        }
      },
      after: () => {
        try {
          this.after();
        } catch (error) {
          this.giveUp(error);
        }
      },
    });
  }

  /** Nanoseconds since the recorder began. */
  now(): number {
    return this.timeOf(performance.now());
  }

  /** @param ms of `performance.now()` */
  timeOf(ms: number): number {
    return Math.round((ms - this.beginMs) * 1e6);
  }

  start(): void {
    this.hook.enable();
  }

  /** Nothing is told from then on but what was held back. */
  stop(): void {
    this.hook.disable();
    this.leave();
    this.tellWaits(Infinity);
  }

  /** Tells what was held back for long enough. */
  catchUp(): void {
    this.tellWaits(this.now());
  }

  /** An execution that somebody ends by {@link end}. */
  begin(name: string, at = this.now(), isOpen = true): Execution {
    const execution = new Execution(
      this.recording,
      ++this.lastId,
      at,
      name,
      undefined,
      this.current.execution.id,
      isOpen,
    );
    this.alive.add(execution);
    return execution;
  }

  /** Tells of an execution, when its name is known. */
  tell(execution: Execution): void {
    if (execution.isTold) return;
    execution.isTold = true;
    const experience = experienceOf(execution.name);
    execution.isLookedAt =
      ++experience.looks <= LOOKS || (experience.isLookedAt && this.mayLook(execution.beganAt));
    this.sink.execution(execution.beganAt, execution);
  }

  end(execution: Execution): void {
    if (execution.hasEnded) return;
    this.tell(execution);
    const at = this.now();
    this.finish(execution, at);
    if (this.running !== execution || this.leftAt > 0) return;
    this.running = this.outside; // what follows in this callback is nobody's
    this.outsideSince = at + 1;
  }

  /** From here on until this callback ends, and in what it begins. */
  enter(context: Context): void {
    this.current = context;
    if (this.depth > 0) Reflect.set(executionAsyncResource(), CONTEXT, context); // someone may have frozen it
    this.switchTo(context.execution, false);
  }

  /** Calls a function within a context. */
  within<T>(context: Context, work: () => T): T {
    const { current } = this;
    this.current = context;
    try {
      if (context.execution !== current.execution) this.switchTo(context.execution, false);
      return work();
    } finally {
      this.current = current;
      if (context.execution !== current.execution) this.back(current.execution);
    }
  }

  /** The stack of the caller, the same array for the same stack. */
  stackAbove(above: (...args: never[]) => unknown): readonly RawFrame[] {
    try {
      const sites = callSites(above, DEPTH);
      return this.stacks.ofSites(sites.filter((site) => isUsers(site.getScriptNameOrSourceURL() ?? '')));
    } catch {
      return []; // someone has frozen Error
    }
  }

  private begins(id: number, type: string, trigger: number, resource: Resource): void {
    this.newest = id;
    if (type !== 'PROMISE') return this.resourceBegins(type, resource);
    const { execution } = this.current;
    if (execution === this.outside) return;
    resource[CONTEXT] = this.current;
    if (execution.isLookedAt && trigger !== executionAsyncId()) this.promiseDerived(id, trigger);
  }

  private mayLook(at: number): boolean {
    if (at - this.looksSince >= 1e9) {
      this.looksSince = at;
      this.looks = 0;
    }
    return ++this.looks <= LOOKS_A_SECOND;
  }

  /** The application goes on, without the trace. */
  private giveUp(error: unknown): void {
    this.hook.disable();
    this.sink.failed(error as Error);
  }

  private resourceBegins(type: string, resource: Resource): void {
    const { execution } = this.current;
    if (type === 'Timeout') return this.timerBegins(resource as TimerResource);
    if (execution === this.outside) return;
    resource[CONTEXT] = this.current;
    const cause = CAUSE_OF_TYPE.get(type);
    if (cause === undefined || cause === 'ready' || NOT_AWAITED.has(type)) return;
    const found = placeOfWait();
    const place = found && this.stacks.ofSites(found.sites);
    this.awaits(execution, resource, { cause, beganAt: 0, place, isPending: ONE_CALLBACK.has(type) });
  }

  /** Who awaits a promise that is older than what was awaited in this callback is the innermost one: see `AsyncWaits`. */
  private promiseDerived(id: number, trigger: number): void {
    const isLeaf = this.lastDerived < trigger || trigger <= this.bornBefore;
    this.lastDerived = id;
    if (!isLeaf) return;
    const found = placeOfWait();
    if (!found || found.isAwaited || found.isPart) return;
    const { execution } = this.current;
    execution.place = this.stacks.ofSites(found.sites);
    if (found.state === 'IO wait') execution.cause = 'network';
  }

  private timerBegins(timer: TimerResource): void {
    const found = isNodesTimer(timer) ? undefined : placeOfWait();
    if (!found || !TIMERS.has(found.api)) {
      timer[CONTEXT] = this.outside.context; // Node's own: a socket's, or that of kept connections
      return;
    }
    const place = this.stacks.ofSites(found.sites);
    const { execution } = this.current;
    const beganAt = this.now();
    const origin = { cause: 'timer', beganAt, place, isPending: true } as const;
    // Nobody waits for an interval's callback, unless it is one that is iterated.
    const isApart = isRepeated(timer) && found.api === 'node:timers';
    if (execution !== this.outside && !isApart) {
      timer[CONTEXT] = this.current;
      return this.awaits(execution, timer, origin);
    }
    const own = place.find(({ url }) => isUsers(url));
    const chain = this.chainOf(timer, own);
    this.awaits(chain, timer, origin);
    chain.leftAt = chain.beganAt + 1;
  }

  /** It may wait for that. */
  private awaits(execution: Execution, resource: Resource, origin: Origin): void {
    resource[ORIGIN] = origin;
    execution.cause = origin.cause as WaitedFor;
    execution.place = origin.place;
    if (origin.isPending) execution.pending++;
  }

  /** A timer that nobody waits for is an execution of its own, with what follows from it. */
  private chainOf(timer: TimerResource, place: RawFrame | undefined): Execution {
    const { _onTimeout: callback } = timer as { readonly _onTimeout?: { readonly name?: string } };
    const name = callback?.name || '(anonymous timer)';
    const chain = this.begin(name, this.now(), false);
    chain.start = place ? { ...place, functionName: name } : namedFrame(name);
    timer[CONTEXT] = chain.context;
    this.tell(chain);
    return chain;
  }

  private before(): void {
    const resource = executionAsyncResource() as Resource;
    const isPromise = resource instanceof Promise || types.isPromise(resource);
    // A promise's reaction is called by V8 and by nobody else, whatever an exception has left behind.
    if (isPromise) this.depth = 0;
    this.callers[this.depth] = this.current;
    const context = this.contextOf(resource, isPromise);
    const { execution } = context;
    this.current = context;
    if (this.depth === 0) {
      this.bornBefore = this.newest;
      this.lastDerived = 0;
    }
    const isTick = !isPromise && isTickObject(resource);
    this.isOwnTick = isTick;
    if (this.depth++ === 0 && !isPromise && !isTick) {
      this.turn++;
      this.turnOf = resource;
      this.turnOwner = execution;
      this.turnCause = undefined;
      this.reacted = undefined;
      this.switchTo(execution, true);
    } else {
      // Within one turn of the loop no clock needs to be asked, as long as one execution runs.
      if (execution !== this.running) this.switchTo(execution, false);
      else this.leftAt = 0;
      if (isPromise && execution !== this.outside) this.reacted = execution;
    }
  }

  private after(): void {
    this.depth = Math.max(this.depth - 1, 0);
    const caller = this.callers[this.depth] ?? this.outside.context;
    if (this.depth > 0) {
      this.current = caller;
      if (caller.execution !== this.running) this.back(caller.execution);
    } else {
      this.current = this.outside.context;
      this.leftAt = this.now();
    }
  }

  /** A request that has ended has no callbacks any more. */
  private contextOf(resource: Resource, isPromise: boolean): Context {
    const context = resource[CONTEXT];
    if (context === undefined || context.execution.recording !== this.recording) {
      return (isPromise ? undefined : this.rootOf(resource)?.context) ?? this.outside.context;
    }
    const { execution } = context;
    if (!isPromise && resource[ORIGIN]?.isPending) this.called(execution, resource, resource[ORIGIN]);
    if (!execution.hasEnded) return context;
    if (!execution.isOpen) return this.reopened(execution).context;
    if (resource[ORIGIN]?.place) execution.afterwards ??= this.beginAfter(execution);
    const { afterwards } = execution;
    if (!afterwards) return this.outside.context;
    return (afterwards.hasEnded ? this.reopened(afterwards) : afterwards).context;
  }

  /** An execution of its own that begins with a callback. */
  private rootOf(resource: Resource): Execution | undefined {
    if (isTimer(resource)) {
      return isApplications(resource) ? this.chainOf(resource, undefined) : undefined;
    }
    const name = MESSAGES.get(resource.constructor?.name ?? '');
    if (name === undefined) return undefined;
    const root = this.begin(name, this.now(), false);
    this.tell(root);
    return root;
  }

  /** A request's timers and files may come back when it is over. */
  private beginAfter(execution: Execution): Execution {
    const next = this.begin(`${execution.name} (afterwards)`, this.now(), false);
    this.tell(next);
    return next;
  }

  private called(execution: Execution, resource: Resource, origin: Origin): void {
    if (isTimer(resource) && isRepeated(resource)) return;
    origin.isPending = false;
    execution.pending--;
  }

  /** One that had nothing left goes on nevertheless: it was woken by somebody else. */
  private reopened(execution: Execution): Execution {
    execution.id = ++this.lastId;
    execution.hasEnded = false;
    execution.isTold = false;
    execution.isWaitTold = false;
    execution.leftAt = 0;
    execution.beganAt = this.now();
    this.alive.add(execution);
    this.tell(execution);
    return execution;
  }

  /** @param isTurn a turn of the loop begins: what ran before may have left long ago */
  private switchTo(execution: Execution, isTurn: boolean): void {
    const at = this.now();
    if (execution === this.running) {
      if (!isTurn || at - this.leftAt < SHORT) {
        this.leftAt = 0;
        return;
      }
    }
    const last = this.running;
    this.leave(at);
    this.resume(execution, at, last);
  }

  /** What ran last is not on the stack any more, or is interrupted. */
  private leave(at = this.now()): void {
    const { running, leftAt } = this;
    if (running === this.outside) {
      const until = leftAt || at;
      if (this.outsideSince > 0 && until - this.outsideSince > SHORT)
        this.sink.run(this.outsideSince, running);
      if (this.outsideSince === 0 || until - this.outsideSince > SHORT) this.sink.idle(until);
      this.outsideSince = 0;
    } else if (leftAt > 0) {
      running.leftAt = leftAt;
      running.leftInTurn = this.turn;
    }
    this.leftAt = 0;
  }

  private resume(execution: Execution, at: number, last: Execution): void {
    this.running = execution;
    if (execution === this.outside) {
      this.outsideSince = at;
      return;
    }
    if (execution.leftAt > 0) this.wake(execution, at, last);
    execution.leftAt = 0;
    execution.isWaitTold = false;
    execution.cause = undefined;
    execution.place = undefined;
    this.sink.run(at, execution);
  }

  /** Back to what has called something of another execution. */
  private back(execution: Execution): void {
    const at = this.now();
    const inner = this.running;
    if (inner !== this.outside) {
      inner.leftAt = at;
      inner.leftInTurn = this.turn;
    }
    this.leave(at);
    if (execution.hasEnded) execution = this.outside;
    this.resume(execution, at, inner);
  }

  private wake(execution: Execution, at: number, last: Execution): void {
    const { leftAt, leftInTurn, isWaitTold } = execution;
    if (leftInTurn === this.turn && at - leftAt < SOON && !isWaitTold) return;
    const isOwn =
      this.depth === 1 && this.turnOwner === execution && this.reacted === undefined && !this.isOwnTick;
    const turn = this.turnOf;
    const turnCause = (this.turnCause ??= turn === undefined ? 'unknown' : causeOf(turn));
    let cause: Cause = 'promise';
    let by: Execution | undefined;
    if (this.isOwnTick) cause = 'ready';
    else if (isOwn) cause = turnCause;
    else if (this.reacted !== undefined && this.reacted !== execution) by = this.reacted;
    else if (turnCause === 'network' || turnCause === 'file') cause = turnCause;
    else by = last;
    const stack = (isOwn ? turn?.[ORIGIN]?.place : undefined) ?? execution.place;
    const waitedFor = cause === 'ready' ? 'unknown' : cause;
    if (cause !== 'ready') learn(execution, waitedFor, stack, at - leftAt);
    if (!isWaitTold) {
      this.tell(execution);
      this.sink.wait(leftAt, execution, waitedFor, stack);
    }
    let wokenAt = at;
    if (cause === 'ready') wokenAt = leftAt + 1;
    else if (isOwn && cause === 'timer') wokenAt = dueAt(turn as TimerResource, leftAt, at);
    else if (by !== undefined) wokenAt = Math.max(leftAt, by.leftAt || at);
    this.sink.wake(wokenAt, execution, by);
  }

  private finish(execution: Execution, at: number): void {
    execution.hasEnded = true;
    this.alive.delete(execution);
    if (execution.leftAt > 0 && execution.leftAt < at) {
      if (!execution.isWaitTold) this.tellWait(execution);
      this.sink.wake(at, execution, undefined);
    }
    this.sink.ended(at, execution);
  }

  private tellWaits(now: number): void {
    for (const execution of this.alive) {
      const { leftAt, isWaitTold, isOpen } = execution;
      if (!execution.isTold && now - execution.beganAt > LONG) this.tell(execution);
      if (leftAt === 0 || isWaitTold || !execution.isTold) continue;
      if (!isOpen && execution.pending === 0 && now - leftAt > OVER) this.finish(execution, leftAt);
      else if (now - leftAt > LONG) this.tellWait(execution);
    }
  }

  /** For what it probably waits for. */
  private tellWait(execution: Execution): void {
    execution.isWaitTold = true;
    const cause = execution.cause ?? experienceOf(execution.name).longFor ?? 'promise';
    this.sink.wait(execution.leftAt, execution, cause, execution.place);
  }
}

/** From a wait that was so long. */
function learn(
  execution: Execution,
  cause: WaitedFor,
  place: readonly RawFrame[] | undefined,
  nanos: number,
): void {
  const isUnplaced = place === undefined && nanos > WORTH_A_LOOK;
  if (!isUnplaced && nanos < LONG) return;
  const experience = experienceOf(execution.name);
  if (isUnplaced) experience.isLookedAt = true; // from its next one on
  if (nanos >= LONG) experience.longFor = cause;
}

function causeOf(resource: Resource): Cause {
  return resource[ORIGIN]?.cause ?? causeOfClass(resource);
}

/** When a timer was due, which may be long before the loop came to call it. */
function dueAt(timer: TimerResource, leftAt: number, at: number): number {
  const { _idleTimeout: ms, [ORIGIN]: origin } = timer;
  if (origin === undefined || ms === undefined || isRepeated(timer)) return at;
  return Math.min(Math.max(origin.beganAt + ms * 1e6, leftAt + 1), at);
}

/** Those that keep no process alive from their begin on are, but for one that an application can ask for. */
function isNodesTimer(timer: TimerResource): boolean {
  if (timer.hasRef()) return false;
  try {
    const sites = callSites(isNodesTimer, FEW);
    return !sites.some((site) => site.getScriptNameOrSourceURL() === 'node:timers/promises');
  } catch {
    return true; // someone has frozen Error
  }
}

/** What `process.nextTick` has put off runs in the turn of the loop in which it did, or right after. */
function isTickObject(resource: Resource): boolean {
  return resource.constructor === Object && 'callback' in resource;
}

function isTimer(resource: Resource): resource is TimerResource {
  return '_onTimeout' in resource;
}

function isRepeated({ _repeat: every }: TimerResource): boolean {
  return every !== undefined && every !== null;
}

/** Timers of Node's own that were there before. */
function isApplications({ _onTimeout: callback }: TimerResource): boolean {
  return typeof callback === 'function' && !NODES_TIMERS.has(callback.name);
}
