import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from '@jest/globals';
import { describeWith } from './process.js';

/** `describe` for tests that need Go. */
export const describeGo = describeWith('go', ['version']);

/** Where `go tool pprof` keeps what it fetches, and tests put what they fetched; gone after the test file. */
const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What `go tool pprof` says of a profile that it cannot read, or whose frames it misses. */
const COMPLAINTS = [
  'warning',
  'local symbolization failed',
  'main binary filename not available',
  'some binary filenames',
  'unrecognized',
  'malformed',
];

/** Puts a profile into a file that `go tool pprof` can open. */
export function profileFile(name: string, bytes: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

/** How `go tool pprof` ended. */
export interface GoRun {
  readonly code: number | null;
  /** What it wrote to stdout and stderr. */
  readonly output: string;
  /** What it wrote to stderr, where it complains. */
  readonly errors: string;
}

/** Runs `go tool pprof`, however it ends. It may fetch for as long as a slow machine takes. */
export async function runGoPprof(...args: string[]): Promise<GoRun> {
  const child = spawn('go', ['tool', 'pprof', '-timeout=120', ...args], {
    cwd: directory, // lest it finds sources by the name of the current directory
    env: { ...process.env, PPROF_TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const all: string[] = [];
  const errors: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => all.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    all.push(chunk);
    errors.push(chunk);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: all.join(''), errors: errors.join('') };
}

/** What `go tool pprof` writes, which must be without a complaint. */
export async function goPprof(...args: string[]): Promise<string> {
  const { code, output, errors } = await runGoPprof(...args);
  expect({ code, output: code === 0 || output }).toEqual({ code: 0, output: true });
  expectNoComplaints(errors);
  return output;
}

export function expectNoComplaints(errors: string): void {
  const said = errors.toLowerCase();
  expect({ errors, complaints: COMPLAINTS.filter((complaint) => said.includes(complaint)) }).toEqual({
    errors,
    complaints: [],
  });
}

export interface TopRow {
  readonly flat: string;
  readonly cum: string;
  readonly cumPercent: number;
}

/** The table of `-top`, by function. */
export function topRows(output: string): ReadonlyMap<string, TopRow> {
  const rows = output.matchAll(/^ *(\S+) +\S+% +\S+% +(\S+) +(\S+)% {2}(.+)$/gm);
  return new Map(
    [...rows].map(([, flat, cum, percent, name]) => [
      name!,
      { flat: flat!, cum: cum!, cumPercent: Number(percent) },
    ]),
  );
}

const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

/** `12.5MB` as a number of bytes, and a plain count as itself. */
export function amount(text: string): number {
  const [, number, unit] = /^([\d.]+)([kMG]?B|)$/.exec(text) ?? [];
  return Number(number) * (UNITS[unit!] ?? Number.NaN);
}
