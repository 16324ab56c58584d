import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe } from '@jest/globals';
import { DecodedProfile } from './decoded-profile.js';
import { request } from './http.js';

const APPS = new URL('../apps/', import.meta.url);

/** Path of a file in test/apps. */
export const appFile = (name: string): string => fileURLToPath(new URL(name, APPS));

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Node's own, before the script. */
  readonly flags?: readonly string[];
  /**
   * Path of another Node than the running one.
   * @default process.execPath
   */
  readonly node?: string;
}

/** A process that a test has started. It ends when its stdin does, so it does not outlive Jest. */
export class TestProcess {
  private static readonly running = new Set<TestProcess>();
  private readonly chunks: string[] = [];
  private readonly errors: string[] = [];
  private waiting: (() => void)[] = [];
  private readonly child: ChildProcess;
  readonly exited: Promise<number | null>;

  constructor(command: string, args: readonly string[], env: ProcessOptions['env'] = {}) {
    this.child = spawn(command, args, {
      env: { ...process.env, NODE_ENV: 'development', NODE_OPTIONS: '', NO_COLOR: '1', ...env },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.chunks.push(chunk);
        this.wakeWaiting();
      });
    }
    this.child.stderr!.on('data', (chunk: string) => this.errors.push(chunk));
    TestProcess.running.add(this);
    this.exited = once(this.child, 'close').then(([code]: (number | null)[]) => {
      TestProcess.running.delete(this);
      this.wakeWaiting();
      return code ?? null;
    });
  }

  /** What it wrote to stdout and stderr so far. */
  get output(): string {
    return this.chunks.join('');
  }

  /** What it wrote to stderr so far. */
  get stderr(): string {
    return this.errors.join('');
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits for output that matches; fails with all output if the process ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      if (!TestProcess.running.has(this)) {
        throw new Error(`ended before it printed ${pattern}:\n${this.output}`);
      }
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async stop(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 30_000);
    await this.exited;
    clearTimeout(timer);
  }

  private wakeWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  /** For `afterEach` or `afterAll`. */
  static async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((process) => process.stop()));
  }
}

/** Environment of an app in which `hold` takes little time: 4 MB, of which V8 samples 256 objects or so. No map is read. */
export const HOLDS_LITTLE = { OBJECTS: '4096', MEM_RATE: '16384', SOURCE_MAPS: 'off' };

/** The lines of an output that have a text. */
export function linesWith(output: string, text: string): string[] {
  return output.split('\n').filter((line) => line.includes(text));
}

/** A workload app that serves. */
export class Workload {
  constructor(
    readonly process: TestProcess,
    /** Of its applications, in the order in which it started them. */
    readonly urls: readonly string[],
  ) {}

  get url(): string {
    return this.urls[0]!;
  }

  /** Address of an endpoint. */
  pprof(path: string, url = this.url): string {
    return `${url}/debug/pprof/${path}`;
  }

  /** What the workload answers to an order. */
  async post<T>(order: string, url = this.url): Promise<T> {
    const { status, text } = await request(`${url}/${order}`, { method: 'POST' });
    if (status >= 300) throw new Error(`${order}: ${status} ${text}\n${this.process.output}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  async profile(path: string, url = this.url): Promise<DecodedProfile> {
    return (await this.download(path, url)).profile;
  }

  /** The bytes as served, and what an independent decoder reads in them. */
  async download(path: string, url = this.url): Promise<{ bytes: Buffer; profile: DecodedProfile }> {
    const { status, body: bytes } = await request(this.pprof(path, url));
    if (status !== 200) throw new Error(`${path}: ${status} ${bytes}\n${this.process.output}`);
    return { bytes, profile: new DecodedProfile(bytes) };
  }
}

/** Those of jest.config.js; `npm run test:truth` has none. */
const { v8Flags = [] } = globalThis as { v8Flags?: readonly string[] };

/**
 * Starts a workload app and waits until it serves.
 *
 * @throws Error with all that it wrote if it ends instead
 */
export async function startWorkload(
  file: string,
  { env, flags = [], node = process.execPath }: ProcessOptions = {},
): Promise<Workload> {
  const own = node === process.execPath ? v8Flags : [];
  const app = new TestProcess(node, [...own, ...flags, appFile(file)], env);
  const [, urls] = await app.printed(/^ready (.+)\n/m);
  return new Workload(app, urls!.split(' '));
}

/**
 * `describe` if a program is there. Otherwise the tests are left out, and it says so; where the environment has `CI`,
 * the test file fails.
 */
export function describeWith(
  command: string,
  versionArgs: readonly string[],
): (title: string, body: () => void) => void {
  if (spawnSync(command, versionArgs).status === 0) return describe;
  if (process.env.CI) throw new Error(`${command} is not on the PATH`);
  const { skip } = describe;
  return (title, body) => {
    process.stderr.write(`\n!!! LEFT OUT, since ${command} is not on the PATH: ${title}\n\n`);
    skip(title, body);
  };
}
