import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { request } from './http.js';

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-trace-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Puts a trace into a file that `go tool trace` can open. */
export function traceFile(name: string, bytes: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

/** A kind of profile that `go tool trace` makes of a trace. */
export type TraceProfile = 'net' | 'sync' | 'syscall' | 'sched';

/**
 * The profile that `go tool trace` makes of a trace.
 *
 * @param go path of a `go`
 * @throws Error with what it wrote to stderr, if it wrote anything or failed
 */
export async function goTraceProfile(go: string, file: string, profile: TraceProfile): Promise<Buffer> {
  const child = spawn(go, ['tool', 'trace', `-pprof=${profile}`, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [chunks, errors]: Buffer[][] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => chunks!.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors!.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const said = Buffer.concat(errors!).toString();
  if (code !== 0 || said !== '') throw new Error(`${go} tool trace, exit code ${code}: ${said}`);
  return Buffer.concat(chunks!);
}

/**
 * Serves the pages of `go tool trace` while work is done.
 *
 * @param work called with what fetches a page by its path
 */
export async function withTracePages<T>(
  go: string,
  file: string,
  work: (page: (path: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  // In a group of its own, since `go` starts another process; `true` is the browser.
  const child = spawn(go, ['tool', 'trace', '-http=127.0.0.1:0', file], {
    env: { ...process.env, BROWSER: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(child, 'close');
  try {
    const address = await listening(child.stderr, closed);
    return await work(async (path) => {
      const { status, text } = await request(address + path);
      if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
      return text;
    });
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
    await closed;
  }
}

function listening(stderr: NodeJS.ReadableStream, closed: Promise<unknown>): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      const [, address] = /listening on (http:\S+)/.exec(said) ?? [];
      if (address) resolve(address);
    });
    void closed.then(() => reject(new Error(`go tool trace ended: ${said}`)));
  });
}
