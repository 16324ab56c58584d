import type { Debugger, NodeWorker } from 'node:inspector';
import { setTimeout as passed } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { InspectorSession } from './inspector-session.js';
import type { RawFrame } from './sampler.js';
import { workerBirths, workersSettledFor } from './worker-births.js';

/** What a worker thread executes at a moment. */
export interface WorkerStack {
  readonly threadId: number;
  /** What Node calls it: the option `name` of its constructor. Empty where Node does not tell. */
  readonly name: string;
  /** Innermost first, with exact lines; undefined where it executes nothing, or nobody could tell. */
  readonly frames: readonly RawFrame[] | undefined;
}

/** `[worker 5] name` */
const TITLE = /^\[worker (\d+)\] ?(.*)$/s;

/** The debugger tells of every script there is; only those on the stack are parsed. */
const SCRIPT = /^\{"method":"Debugger\.scriptParsed","params":\{"scriptId":"(\d+)"/;

/** For how long a worker is looked at to see whether it does anything, in ms. */
const LOOK_MS = 2;

/** From Node 25 on a worker that ends meanwhile makes Node crash, however little is done: see {@link attachTo}. */
const IS_SAFE = Number.parseInt(process.versions.node, 10) < 25;

/** For so long no worker must have come or gone, in ms: see {@link attachTo}. */
const SETTLED_MS = 5000;

/**
 * The current stacks of the worker threads that this thread has made, since somebody remembers their births.
 *
 * One that executes JavaScript is stopped for a moment: the inspector starts V8's debugger there, which tells its stack.
 * One that does nothing is left alone. One in a call that blocks stops only when that returns, for which nobody waits: when
 * the time is up, the debugger is gone, and the worker is not going to stop any more.
 */
export async function workerStacks(timeoutMs: number): Promise<WorkerStack[]> {
  const workers = workerBirths().map(({ worker }) => worker);
  const isSettled = workers.length > 0 && workersSettledFor() > SETTLED_MS;
  const busy = IS_SAFE && isSettled ? await busyOf(workers) : [];
  const stacks = busy.length > 0 ? await stacksOf(busy, timeoutMs) : new Map<number, WorkerStack>();
  return workers
    .filter(({ threadId }) => threadId !== -1)
    .map((worker) => stacks.get(worker.threadId) ?? { ...named(worker), frames: undefined });
}

function named(worker: Worker): Omit<WorkerStack, 'frames'> {
  // The types are those of the oldest Node.
  const { threadId, threadName } = worker as { threadId: number; threadName?: string | null };
  return { threadId, name: threadName ?? '' };
}

/** Those that have done something in the last moment. */
async function busyOf(workers: readonly Worker[]): Promise<Worker[]> {
  const before = workers.map(({ performance }) => performance.eventLoopUtilization());
  await passed(LOOK_MS);
  return workers.filter(({ performance }, i) => {
    const { idle } = performance.eventLoopUtilization();
    return idle - before[i]!.idle < LOOK_MS * 0.9;
  });
}

async function stacksOf(
  workers: readonly Worker[],
  timeoutMs: number,
): Promise<ReadonlyMap<number, WorkerStack>> {
  const session = new InspectorSession();
  try {
    const stacks = attachTo(workers, session).map(async (attached) => {
      const { threadId, name } = attached;
      return [threadId, { threadId, name, frames: await attached.stack(timeoutMs) }] as const;
    });
    return new Map(await Promise.all(stacks));
  } finally {
    session.close();
  }
}

/**
 * Attaches to all workers, since Node knows no other way, and leaves those at once that are not asked for.
 *
 * While Node goes through its list of workers, it calls back. Where one begins or ends in that time, and JavaScript runs
 * long enough to hear of it, Node crashes (20 to 26 do). So this is for workers that stay, and next to nothing is done there.
 *
 * @returns none where this thread is a worker itself: Node cannot do it from there
 */
function attachTo(wanted: readonly Worker[], session: InspectorSession): AttachedWorker[] {
  const workers = new Map<string, AttachedWorker>();
  session.on<NodeWorker.AttachedToWorkerEventDataType>(
    'NodeWorker.attachedToWorker',
    ({ sessionId, workerInfo: { title } }) =>
      workers.set(sessionId, new AttachedWorker(session, sessionId, title)),
  );
  session.on<NodeWorker.ReceivedMessageFromWorkerEventDataType>(
    'NodeWorker.receivedMessageFromWorker',
    ({ sessionId, message }) => workers.get(sessionId)?.receive(message),
  );
  try {
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  } catch {
    return [];
  }
  const ids = new Set(wanted.map(({ threadId }) => threadId));
  const attached = [...workers.values()];
  for (const worker of attached) if (!ids.has(worker.threadId)) worker.leave();
  return attached.filter(({ threadId }) => ids.has(threadId));
}

/** V8's debugger in a worker. */
class AttachedWorker {
  readonly threadId: number;
  readonly name: string;
  /** What was told of scripts, by their numbers. */
  private readonly scripts = new Map<string, string>();
  private answer: (frames?: readonly RawFrame[]) => void = () => {};

  constructor(
    private readonly session: InspectorSession,
    private readonly sessionId: string,
    title: string,
  ) {
    const [, threadId, name] = TITLE.exec(title) ?? [];
    this.threadId = Number(threadId);
    this.name = name ?? title;
  }

  /** Stops it where it is, unless it comes to no such place in time. */
  async stack(timeoutMs: number): Promise<readonly RawFrame[] | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<readonly RawFrame[] | undefined>((resolve) => {
        timer = setTimeout(resolve, timeoutMs, undefined);
        this.answer = resolve;
        // A worker that ends waits for us to leave: Node may abort where one speaks to a thread that is being torn down.
        this.send('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true });
        this.send('Debugger.enable');
        this.send('Debugger.pause');
      });
    } finally {
      clearTimeout(timer);
      this.leave();
    }
  }

  receive(message: string): void {
    const [, scriptId] = SCRIPT.exec(message) ?? [];
    if (scriptId !== undefined) this.scripts.set(scriptId, message);
    else if (message.startsWith('{"method":"Debugger.paused"')) this.answer(this.framesOf(message));
    else if (message.startsWith('{"method":"NodeRuntime.waitingForDisconnect"')) this.leave();
  }

  /** Takes back a wish to stop, and ends a stop. */
  leave(): void {
    this.post('NodeWorker.detach');
    this.answer();
  }

  private framesOf(message: string): RawFrame[] {
    const { callFrames } = paramsOf<Debugger.PausedEventDataType>(message);
    return callFrames.map((frame) => this.frameOf(frame));
  }

  private frameOf({ functionName, functionLocation, location }: Debugger.CallFrame): RawFrame {
    const script = this.scripts.get(location.scriptId);
    return {
      functionName,
      url: script === undefined ? '' : paramsOf<Debugger.ScriptParsedEventDataType>(script).url,
      scriptId: 0, // the worker's numbers are not ours
      functionLine: (functionLocation?.lineNumber ?? -1) + 1,
      functionColumn: (functionLocation?.columnNumber ?? -1) + 1,
      line: location.lineNumber + 1,
    };
  }

  private send(method: string, params: object = {}): void {
    this.post('NodeWorker.sendMessageToWorker', { message: JSON.stringify({ id: 1, method, params }) });
  }

  private post(method: string, params: object = {}): void {
    try {
      this.session.post(method, { sessionId: this.sessionId, ...params });
    } catch {
      this.answer(); // it has ended
    }
  }
}

function paramsOf<T>(message: string): T {
  return (JSON.parse(message) as { params: T }).params;
}
