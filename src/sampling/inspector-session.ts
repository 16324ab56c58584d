import type { Session } from 'node:inspector';
import { reasonOf } from './reason.js';

type Inspector = typeof import('node:inspector');

/**
 * A session with this thread's inspector. In the same thread, nearly all commands complete before `post` returns, so `post` can return
 * their results.
 *
 * While a session is connected, V8 stores the arguments of the last 1,000 `console.*` calls, even after it is disconnected. This class
 * discards them at the next call, or when the calling JavaScript has returned.
 */
export class InspectorSession {
  private readonly inspector = inspectorOfNode();
  private readonly session: Session;
  private hasConsoleEntry = false;

  /** @throws Error with the reason if there is no inspector, and the fix if there is one */
  constructor() {
    this.session = connectedSession(this.inspector);
    this.post('Runtime.discardConsoleEntries'); // of other sessions: `Console.enable` would report each
    this.post('Console.enable');
    this.session.on('Console.messageAdded', () => this.consoleCalled());
  }

  /** @throws Error with the inspector's message if the command fails */
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
   * Begins a CPU profile with `console.profile`, in addition to others that are running, in every session of this thread in which
   * `Profiler` is enabled. After {@link endProfile}, the event `Profiler.consoleProfileFinished` contains the profile.
   */
  beginProfile(title: string): void {
    this.inspector.console.profile(title);
  }

  endProfile(title: string): void {
    this.inspector.console.profileEnd(title);
  }

  /** Disconnects, which ends everything that the session started. */
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

/** The reason why there is no inspector, with the fix if there is one; undefined if there is an inspector. */
export function inspectorProblem(): string | undefined {
  try {
    new InspectorSession().close();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Not a static import, which fails if Node was built without it. */
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
