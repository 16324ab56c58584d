import { closeSync, fstatSync, openSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { takeHeapSnapshot } from './heap-snapshot.js';

/** Windows has no name for an open file. */
const LINKS = process.platform === 'win32' ? 1 : 0;

/** Larger than what is read at once. */
const JSON_TEXT = `{"strings":["${'x'.repeat(2 ** 20)}"]}`;

describe('a heap snapshot in a file', () => {
  it('is read in pieces from a file that has no name while it is written, and is closed at the end', async () => {
    let links: number | undefined;
    const json = takeHeapSnapshot((path) => {
      writeFileSync(path, JSON_TEXT);
      links = linksOf(path);
    });
    const pieces: Buffer[] = [];
    for await (const piece of json) pieces.push(piece as Buffer);
    expect(links).toBe(LINKS);
    expect(Buffer.concat(pieces).toString() === JSON_TEXT).toBe(true);
    expect(pieces.length).toBeGreaterThan(1);
    expect(json.closed).toBe(true);
  });

  it('that cannot be written takes no room and has no name, though Node keeps it open, and the error has the directory', () => {
    let kept = 0;
    const fail = (path: string): never => {
      kept = openSync(path, 'r+');
      writeFileSync(kept, JSON_TEXT);
      throw new Error('ENOSPC: no space left on device, write');
    };
    expect(() => takeHeapSnapshot(fail)).toThrow(
      /^cannot write a file in .+: ENOSPC: no space left on device, write$/,
    );
    const { size, nlink } = fstatSync(kept);
    expect([size, nlink]).toEqual([0, 0]);
    closeSync(kept);
  });
});

function linksOf(path: string): number {
  const fd = openSync(path, 'r');
  try {
    return fstatSync(fd).nlink;
  } finally {
    closeSync(fd);
  }
}
