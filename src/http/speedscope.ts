import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { ownDirectory } from '../own-directory.js';

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** A file that a browser loads. */
export interface BrowserFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/**
 * The optional package `speedscope`, which draws flame graphs in the browser: an `index.html` and files beside it.
 *
 * @see https://github.com/jlfwong/speedscope
 */
@Injectable()
export class Speedscope {
  /** Where its files are; undefined if it is not installed. */
  private readonly directory = directoryOfSpeedscope();
  readonly isInstalled = this.directory !== undefined;

  /** One of its files; undefined if there is none of that name that a browser needs. */
  async file(name: string): Promise<BrowserFile | undefined> {
    const contentType = TYPES[extname(name)];
    if (this.directory === undefined || contentType === undefined) return undefined;
    if (!(await readdir(this.directory)).includes(name)) return undefined; // a name, and no path
    return { contentType, body: await readFile(join(this.directory, name)) };
  }
}

function directoryOfSpeedscope(): string | undefined {
  try {
    const manifest = createRequire(new URL('x', ownDirectory())).resolve('speedscope/package.json');
    return join(dirname(manifest), 'dist', 'release');
  } catch {
    return undefined; // it is optional
  }
}
