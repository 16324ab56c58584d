import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { applicationPackage, directoriesAbove, packageIn } from './application-package.js';

const PACKAGES = {
  '': '{ "name": "shop-api", "version": "2.7.1" }',
  dist: '{ "type": "module" }',
  broken: '{ "name": ',
  odd: '{ "name": { "not": "a string" } }',
  'odd/null': 'null',
  unversioned: '{ "name": "tool", "version": 3 }',
};

describe('the package of the application', () => {
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'package-'));
    for (const [folder, content] of Object.entries(PACKAGES)) {
      await mkdir(join(root, folder), { recursive: true });
      await writeFile(join(root, folder, 'package.json'), content);
    }
    await mkdir(join(root, 'empty'));
  });

  afterAll(() => rm(root, { recursive: true }));

  it.each(['dist/main.js', 'broken/main.js', 'odd/null/main.js', 'empty/main.js', 'missing/main.js'])(
    'is the nearest package.json with a name above %s',
    async (script) => {
      const found = await packageIn(directoriesAbove(join(root, script)));
      expect(found).toEqual({ name: 'shop-api', version: '2.7.1' });
    },
  );

  it('may have no version', async () => {
    const found = await packageIn(directoriesAbove(join(root, 'unversioned', 'main.js')));
    expect(found).toEqual({ name: 'tool', version: undefined });
  });

  it("is that of the main script, or of the working directory where the script is a tool's", async () => {
    const [, script] = process.argv;
    try {
      process.argv[1] = join(root, 'dist', 'main.js');
      expect((await applicationPackage())?.name).toBe('shop-api');
      process.argv[1] = join(root, 'node_modules', 'tool', 'main.js');
      expect((await applicationPackage())?.name).toBe('nestjs-pprof');
    } finally {
      process.argv[1] = script!;
    }
  });

  it('is undefined if no folder has one', async () => {
    expect(await packageIn(['dist', 'broken', 'empty'].map((folder) => join(root, folder)))).toBeUndefined();
  });
});
