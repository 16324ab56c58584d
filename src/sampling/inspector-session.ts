import { Session } from 'node:inspector';

/**
 * A session of our own with this thread's inspector. Commands to the own thread are carried out before `post`
 * returns, so their answers can be handed back as values.
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

  /** Ends what the session started. */
  close(): void {
    this.session.disconnect();
  }
}
