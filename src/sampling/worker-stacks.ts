import type { NodeWorker, Runtime } from 'node:inspector';
import { type CallerFrame, callerFrame, STACK_DEPTH } from './call-stack.js';
import { InspectorSession } from './inspector-session.js';
import { createdWorkers, givenName, OWN_WORKER } from './worker-creation.js';

/** A worker thread and its current stack. */
export interface WorkerStack {
  readonly threadId: number;
  /** The worker's option `name`; empty if it has none. */
  readonly name: string;
  /**
   * Innermost first. Empty if the worker waits in its event loop. Undefined if it did not answer, because it is starting or in native
   * code such as `execSync` or a long `JSON.parse`, or because there is no inspector.
   */
  readonly stack: readonly CallerFrame[] | undefined;
}

type Answer = { readonly id?: number; readonly result?: Runtime.EvaluateReturnType };

/** The arguments of {@link callerFrame} for a call site. */
type Row = Parameters<typeof callerFrame>;

/** Timeout for all answers, in ms. Workers that run JavaScript or are idle answer within 1 to 15 ms. */
const PATIENCE = 100;

const QUESTION = 1;

/**
 * Runs in the worker. V8 interrupts the running JavaScript for it, so that its stack is below this function's, which is the first
 * row. It doesn't pause the worker or enable the debugger, which would take 30 to 700 ms in the worker and 20 to 50 ms in this
 * thread, depending on the number of scripts.
 */
const EXPRESSION = `(function ask() {
  'use strict';
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder = {};
  try {
    Error.stackTraceLimit = ${STACK_DEPTH + 1};
    Error.prepareStackTrace = (_, sites) => sites.slice(1).map((site) => [
      site.getTypeName(), site.getFunctionName(), site.getScriptNameOrSourceURL(), site.getLineNumber(), site.getColumnNumber(),
    ]);
    Error.captureStackTrace(holder, ask);
    return holder.stack;
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
})()`;

const ASK = JSON.stringify({
  id: QUESTION,
  method: 'Runtime.evaluate',
  params: { expression: EXPRESSION, returnByValue: true, silent: true, disableBreaks: true },
});

/** V8 keeps the arguments of a worker's `console.*` calls while a session is connected to it. */
const FORGET = JSON.stringify({ id: QUESTION + 1, method: 'Runtime.discardConsoleEntries' });

/** The worker threads of the process with their current stacks, sorted by id. Takes at most {@link PATIENCE}. */
export async function workerStacks(): Promise<WorkerStack[]> {
  const known = createdWorkers().alive.map(({ threadId, name }) => ({ threadId, name, stack: undefined }));
  const stacks = new Map<number, WorkerStack>(known.map((one) => [one.threadId, one]));
  for (const one of await answers().catch(() => [])) stacks.set(one.threadId, one);
  return [...stacks.values()].sort((a, b) => a.threadId - b.threadId);
}

/** @throws Error if there is no inspector, or in a worker thread, which can't connect to others */
async function answers(): Promise<WorkerStack[]> {
  const session = new InspectorSession();
  const workers = new AskedWorkers(session);
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((done) => {
      timer = setTimeout(done, PATIENCE);
      workers.ask(done);
    });
    return [...workers.found.values()].filter(({ name }) => name !== OWN_WORKER);
  } finally {
    clearTimeout(timer);
    workers.release();
    session.close();
  }
}

/** The workers to which an inspector session of this thread is connected, by session id. */
class AskedWorkers {
  readonly found = new Map<string, WorkerStack>();
  /** Sessions without an answer yet. A worker may end whenever something is posted. */
  private readonly open = new Set<string>();

  constructor(private readonly session: InspectorSession) {}

  /**
   * Sends the question to every worker, and disconnects from each one when it has answered.
   *
   * @param done called when all have answered or ended
   */
  ask(done: () => void): void {
    let areAttached = false;
    const doneIfAll = (): void => {
      if (areAttached && this.open.size === 0) done();
    };
    this.session.on<NodeWorker.AttachedToWorkerEventDataType>('NodeWorker.attachedToWorker', (worker) => {
      this.found.set(worker.sessionId, { ...titled(worker.workerInfo.title), stack: undefined });
      this.open.add(worker.sessionId);
      this.send(worker.sessionId, ASK);
    });
    this.session.on<NodeWorker.ReceivedMessageFromWorkerEventDataType>(
      'NodeWorker.receivedMessageFromWorker',
      ({ sessionId, message }) => {
        const { id, result } = JSON.parse(message) as Answer;
        if (id !== QUESTION) return;
        this.found.set(sessionId, { ...this.found.get(sessionId)!, stack: stackIn(result) });
        this.releaseOne(sessionId);
      },
    );
    this.session.on<NodeWorker.DetachedFromWorkerEventDataType>(
      'NodeWorker.detachedFromWorker',
      ({ sessionId }) => {
        this.open.delete(sessionId);
        doneIfAll();
      },
    );
    this.session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }); // attaches before it returns
    areAttached = true;
    doneIfAll();
  }

  /** Disconnects from the workers that have not answered. They will process the messages later. */
  release(): void {
    for (const sessionId of this.open) this.releaseOne(sessionId);
  }

  private releaseOne(sessionId: string): void {
    this.send(sessionId, FORGET);
    if (this.open.has(sessionId)) this.session.post('NodeWorker.detach', { sessionId });
  }

  private send(sessionId: string, message: string): void {
    if (this.open.has(sessionId)) this.session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
  }
}

/** Undefined if the expression failed in the worker, for example because of frozen globals or a stack overflow. */
function stackIn(result: Runtime.EvaluateReturnType | undefined): CallerFrame[] | undefined {
  const rows = result?.result.value as Row[] | undefined;
  if (!Array.isArray(rows)) return undefined;
  return rows.map((row) => callerFrame(...row));
}

/** Parses the title of a worker, such as `[worker 1] its name`. */
function titled(title: string): Pick<WorkerStack, 'threadId' | 'name'> {
  const [, id, name = ''] = /^\[worker (\d+)\] ?(.*)$/s.exec(title) ?? [];
  return { threadId: Number(id), name: givenName(name) };
}
