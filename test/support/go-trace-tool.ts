import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { expect } from '@jest/globals';
import { DecodedProfile } from './decoded-profile.js';
import { profileFile } from './go.js';

/** Of waits: for the network, for promises and others, in system calls, for the thread. */
export type TraceProfile = 'net' | 'sync' | 'syscall' | 'sched';

export interface GoTraceRun {
  readonly code: number | null;
  readonly errors: string;
  readonly stdout: Buffer;
}

/** Runs `go tool trace -pprof` on a trace, however it ends. */
export async function runGoTrace(go: string, kind: TraceProfile, bytes: Uint8Array): Promise<GoTraceRun> {
  const child = start(go, [`-pprof=${kind}`, profileFile('trace.out', bytes)]);
  const stdout: Buffer[] = [];
  const errors: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => errors.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, errors: errors.join(''), stdout: Buffer.concat(stdout) };
}

/** A profile that `go tool trace` makes of a trace: `contentions` and `delay`, in nanoseconds. */
export async function goTraceProfile(
  go: string,
  kind: TraceProfile,
  bytes: Uint8Array,
): Promise<DecodedProfile> {
  const { code, errors, stdout } = await runGoTrace(go, kind, bytes);
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return new DecodedProfile(stdout);
}

/** Pages that `go tool trace` serves of a trace, as text without markup. None may end with a panic. */
export async function goTracePages(
  go: string,
  bytes: Uint8Array,
  paths: readonly string[],
): Promise<readonly string[]> {
  const child = start(go, ['-http=127.0.0.1:0', profileFile('trace.out', bytes)]);
  const closed = once(child, 'close');
  const said: string[] = [];
  try {
    const origin = await new Promise<string>((resolve, reject) => {
      closed.then(() => reject(new Error(said.join(''))), reject);
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        said.push(chunk);
        const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(said.join('')) ?? [];
        if (address) resolve(address);
      });
    });
    const pages: string[] = [];
    for (const path of paths) pages.push(await textOf(`${origin}${path}`));
    expect(said.join('')).not.toContain('panic');
    return pages;
  } finally {
    child.kill(); // `go tool` passes it on
    await closed;
  }
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: 'close' } });
  expect({ url, status: response.status }).toEqual({ url, status: 200 });
  const page = await response.text();
  return page
    .replace(/<(style|script)\b[^>]*>.*?<\/\1>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
}

function start(go: string, args: readonly string[]): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(go, ['tool', 'trace', ...args], {
    env: { ...process.env, BROWSER: 'true' }, // the program that opens no page
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
