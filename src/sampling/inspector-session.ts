import { Session } from 'node:inspector';

/**
 * A session of our own with this thread's inspector. Nearly all commands to the own thread are carried out before
 * `post` returns, so their answers can be handed back as values.
 */
export class InspectorSession {
  private readonly session = new Session();

  constructor() {
    this.session.connect();
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

  /** For the one command that V8 carries out in a task of its own, later. */
  postLater(method: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.session.post(method, (error: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  /**
   * Makes V8 forget the arguments of `console.*` calls: it keeps the last 1,000 while a session is connected, and after it.
   */
  discardConsoleEntries(): void {
    this.post('Runtime.discardConsoleEntries');
  }

  /** Ends what the session started. */
  close(): void {
    this.discardConsoleEntries();
    this.session.disconnect();
  }
}
