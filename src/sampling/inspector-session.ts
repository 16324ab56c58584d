import type { Session } from 'node:inspector';
import { reasonOf } from './reason.js';

type Inspector = typeof import('node:inspector');

/**
 * A session of our own with this thread's inspector. Nearly all commands to the own thread are carried out before
 * `post` returns, so their answers can be handed back as values.
 *
 * While a session is connected, V8 stores the arguments of the last 1,000 `console.*` calls, and keeps them when it is gone.
 * This one makes V8 forget them: those of a call at the next one, or when the JavaScript that called has returned.
 */
export class InspectorSession {
  private readonly inspector = inspectorOfNode();
  private readonly session: Session;
  private hasConsoleEntry = false;

  /** @throws Error that says why there is no inspector, and what helps */
  constructor() {
    this.session = connectedSession(this.inspector);
    this.post('Runtime.discardConsoleEntries'); // of others: `Console.enable` would report each
    this.post('Console.enable');
    this.session.on('Console.messageAdded', () => this.consoleCalled());
  }

  /** @throws Error with the inspector's words if it refuses */
  post<T = void>(method: string, params: object = {}): T {
    let failure: Error | null = null;
    let answer: T | undefined;
    this.session.post(method, params, (error: Error | null, result?: object) => {
      failure = error;
      answer = result as T;
    });
    if (failure) throw failure as Error;
    return answer as T;
  }

  on<T>(event: string, listener: (params: T) => void): void {
    this.session.on(event, ({ params }: { params: T }) => listener(params));
  }

  /**
   * Begins a CPU profile by `console.profile`, beside others that the session has: in every session of this thread in
   * which `Profiler` is enabled. `Profiler.consoleProfileFinished` has what {@link endProfile} ended.
   */
  beginProfile(title: string): void {
    this.inspector.console.profile(title);
  }

  endProfile(title: string): void {
    this.inspector.console.profileEnd(title);
  }

  /** Ends what the session started. */
  close(): void {
    this.discardConsoleEntries();
    this.session.disconnect();
  }

  /** V8 reports a call before it stores its arguments. */
  private consoleCalled(): void {
    if (this.hasConsoleEntry) return this.post('Runtime.discardConsoleEntries');
    this.hasConsoleEntry = true;
    queueMicrotask(() => this.hasConsoleEntry && this.discardConsoleEntries());
  }

  private discardConsoleEntries(): void {
    this.hasConsoleEntry = false;
    this.post('Runtime.discardConsoleEntries');
  }
}

/** Why there is no inspector, and what helps; undefined where there is one. */
export function inspectorProblem(): string | undefined {
  try {
    new InspectorSession().close();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Not imported by name, which fails where Node was built without it. */
function inspectorOfNode(): Inspector {
  const inspector = process.getBuiltinModule('node:inspector') as Inspector | undefined;
  if (!inspector) throw new Error('this Node was built without the inspector');
  return inspector;
}

function connectedSession(inspector: Inspector): Session {
  const session = new inspector.Session();
  try {
    session.connect();
  } catch (cause) {
    throw new Error(reasonOf(cause), { cause });
  }
  return session;
}
