import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe } from '@jest/globals';
import { Profile } from 'pprof-format';

const APPS = new URL('../workloads/apps/', import.meta.url);

/** Path of a file in test/workloads/apps. */
export const appFile = (name: string): string => fileURLToPath(new URL(name, APPS));

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Node's own, before the script. */
  readonly flags?: readonly string[];
}

/** A process that a test has started. It ends when its stdin does, so it does not outlive Jest. */
export class TestProcess {
  private static readonly running = new Set<TestProcess>();
  private readonly chunks: string[] = [];
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

  get pid(): number {
    return this.child.pid!;
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

  async stop(): Promise<void> {
    this.child.stdin!.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 3000);
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
    const answer = await fetch(`${url}/${order}`, { method: 'POST' });
    const body = await answer.text();
    if (!answer.ok) throw new Error(`${order}: ${answer.status} ${body}\n${this.process.output}`);
    return (body ? JSON.parse(body) : undefined) as T;
  }

  async profile(path: string, url = this.url): Promise<DecodedProfile> {
    return (await this.download(path, url)).profile;
  }

  /** The bytes as served, and what an independent decoder reads in them. */
  async download(path: string, url = this.url): Promise<{ bytes: Buffer; profile: DecodedProfile }> {
    const answer = await fetch(this.pprof(path, url));
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${bytes}\n${this.process.output}`);
    return { bytes, profile: new DecodedProfile(bytes) };
  }
}

/**
 * Starts a workload app and waits until it serves.
 *
 * @throws Error with all that it wrote if it ends instead
 */
export async function startWorkload(
  file: string,
  { env, flags = [] }: ProcessOptions = {},
): Promise<Workload> {
  const app = new TestProcess(process.execPath, [...flags, appFile(file)], env);
  const [, urls] = await app.printed(/^ready (.+)\n/m);
  return new Workload(app, urls!.split(' '));
}

/** A place in the code, as a profile tells it. */
export interface DecodedFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** A sample with all that is told of it. */
export interface DecodedStack {
  /** Leaf first. */
  readonly frames: readonly DecodedFrame[];
  readonly values: Readonly<Record<string, number>>;
  /** Of texts alone. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A profile as `pprof-format` reads it, with names instead of indexes. */
export class DecodedProfile {
  readonly raw: Profile;
  readonly sampleTypes: readonly string[];
  readonly comments: readonly string[];
  /** Function names leaf first, and the values by sample type. */
  readonly samples: readonly {
    readonly stack: readonly string[];
    readonly values: Readonly<Record<string, number>>;
  }[];

  constructor(bytes: Uint8Array) {
    this.raw = Profile.decode(gunzipSync(bytes));
    const text = (index: number | bigint): string => this.raw.stringTable.strings[Number(index)]!;
    const nameOf = new Map(this.raw.function.map(({ id, name }) => [id, text(name)]));
    const namesAt = new Map(
      this.raw.location.map(({ id, line }) => [id, line.map(({ functionId }) => nameOf.get(functionId)!)]),
    );
    this.sampleTypes = this.raw.sampleType.map(({ type }) => text(type));
    this.comments = this.raw.comment.map(text);
    this.samples = this.raw.sample.map(({ locationId, value }) => ({
      stack: locationId.flatMap((id) => namesAt.get(id)!),
      values: Object.fromEntries(this.sampleTypes.map((type, i) => [type, signed(value[i]!)])),
    }));
  }

  /** Its places in the code. */
  get places(): { name: string; file: string; line: number; address: number }[] {
    const { strings } = this.raw.stringTable;
    const functions = new Map(this.raw.function.map((one) => [one.id, one]));
    return this.raw.location.map(({ address, line: [at] }) => {
      const { name, filename } = functions.get(at!.functionId)!;
      return {
        name: strings[Number(name)]!,
        file: strings[Number(filename)]!,
        line: Number(at!.line),
        address: Number(address),
      };
    });
  }

  /** Its samples with their places and labels. */
  get stacks(): DecodedStack[] {
    const { strings } = this.raw.stringTable;
    const { places } = this;
    const placeOf = new Map(this.raw.location.map(({ id }, i) => [id, places[i]!]));
    return this.raw.sample.map(({ locationId, label }, i) => ({
      frames: locationId.map((id) => placeOf.get(id)!),
      values: this.samples[i]!.values,
      labels: Object.fromEntries(
        label.map(({ key, str }) => [strings[Number(key)]!, strings[Number(str)]!] as const),
      ),
    }));
  }

  get period(): number {
    return Number(this.raw.period);
  }

  get durationNanos(): number {
    return Number(this.raw.durationNanos);
  }

  get timeMs(): number {
    return Number(this.raw.timeNanos) / 1e6;
  }

  total(type: string): number {
    return this.sum(type, () => true);
  }

  /** With the function anywhere on the stack. */
  cumulative(type: string, name: string): number {
    return this.sum(type, (stack) => stack.includes(name));
  }

  /** With the function at the leaf. */
  flat(type: string, name: string): number {
    return this.sum(type, ([leaf]) => leaf === name);
  }

  private sum(type: string, counts: (stack: readonly string[]) => boolean): number {
    return this.samples.reduce((sum, { stack, values }) => sum + (counts(stack) ? values[type]! : 0), 0);
  }
}

/** `pprof-format` reads values as if they had no sign. */
function signed(value: number | bigint): number {
  return Number(BigInt.asIntN(64, BigInt(value)));
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
