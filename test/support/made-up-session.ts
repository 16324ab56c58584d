import type { Profiler } from 'node:inspector';

/** What V8 has sampled in a profile. */
type Sampled = Pick<Profiler.Profile, 'nodes' | 'samples' | 'timeDeltas'>;

/** A function of the application, as V8's profiles have it. */
export const sampledFrame = (functionName: string) => ({
  functionName,
  scriptId: '7',
  url: 'file:///app/main.js',
  lineNumber: 9,
  columnNumber: 1,
});

type Finished = (params: { title: string; profile: Profiler.Profile }) => void;

/**
 * The inspector's place in tests of what asks it for CPU samples. V8's profiler starts with a session's first profile, and
 * ends with its last one.
 */
export class MadeUpSession {
  /** Sessions that are connected. */
  static readonly connected = new Set<MadeUpSession>();
  /** What V8 does, and when. */
  static v8 = {
    /** The clock of its time stamps. */
    micros: () => 0,
    starts(): void {},
    ends(): void {},
    /** A profile of V8's, by when it began; the first time delta is a time. */
    sampled: (_startTime: number): Sampled => ({ nodes: [], samples: [], timeDeltas: [] }),
  };

  readonly posted: string[] = [];
  /** Profiles that have not been ended, and when they began. */
  readonly open = new Map<string, number>();
  private hasStarted = false;
  private finished!: Finished;

  constructor() {
    MadeUpSession.connected.add(this);
  }

  on(_event: string, listener: Finished): void {
    this.finished = listener;
  }

  post(method: string, params?: object): object {
    this.posted.push([method, ...(params ? [JSON.stringify(params)] : [])].join(' '));
    if (method === 'Profiler.start') this.beginProfile('');
    return method === 'Profiler.stop' ? { profile: this.ended('') } : {};
  }

  beginProfile(title: string): void {
    if (!this.hasStarted) MadeUpSession.v8.starts();
    this.hasStarted = true;
    this.open.set(title, MadeUpSession.v8.micros());
  }

  endProfile(title: string): void {
    const profile = this.ended(title);
    if (profile) this.finished({ title, profile });
  }

  private ended(title: string): Profiler.Profile | undefined {
    const startTime = this.open.get(title);
    if (startTime === undefined) return undefined;
    this.open.delete(title);
    this.hasStarted = this.open.size > 0;
    if (!this.hasStarted) MadeUpSession.v8.ends();
    const { timeDeltas: [first = startTime + 1, ...deltas] = [], ...sampled } =
      MadeUpSession.v8.sampled(startTime);
    const timeDeltas = [first - startTime, ...deltas];
    return { ...sampled, startTime, endTime: MadeUpSession.v8.micros(), timeDeltas };
  }

  close(): void {
    MadeUpSession.connected.delete(this);
  }
}
