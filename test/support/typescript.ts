import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from '@jest/globals';
import { appFile } from './process.js';

const home = appFile('../typescript/');

/** Builds an application in TypeScript, for `startWorkload`; what was built is gone after the test file. */
export async function buildTypeScript(build: string): Promise<string> {
  const main = join(home, `built-${process.pid}-${build}/main.js`);
  await promisify(execFile)(process.execPath, [join(home, 'build.mjs'), `${build}=${dirname(main)}`]);
  built.add(dirname(main));
  return `../typescript/${basename(dirname(main))}/main.js`;
}

const built = new Set<string>();
afterAll(() => {
  for (const directory of built) rmSync(directory, { recursive: true, force: true });
});

/** A source in TypeScript, whose places are marked by comments. */
export class MarkedSource {
  readonly path: string;
  private readonly lines: readonly string[];

  /** @param name below test/workloads/typescript */
  constructor(name: string) {
    this.path = join(home, name);
    this.lines = readFileSync(this.path, 'utf8').split('\n');
  }

  /** The lines that end with such a comment, by what it says behind the word: `// waits: socket`. */
  marked(word: string): ReadonlyMap<string, number> {
    return new Map(this.marks(word).map(([line, what]) => [what, line]));
  }

  /** These lines, and what their comments say. */
  marks(word: string): [line: number, what: string][] {
    const pattern = new RegExp(`\\S.* (?://|/\\*) ${word}: (.+?)(?: \\*/.*)?$`);
    return this.lines.flatMap((text, i): [number, string][] => {
      const [, what] = pattern.exec(text) ?? [];
      return what ? [[i + 1, what]] : [];
    });
  }

  /** The lines that end with a comment. */
  ending(comment: string): number[] {
    return this.lines.flatMap((line, i) => (line.endsWith(` // ${comment}`) ? [i + 1] : []));
  }
}
