import { readFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';

/** The application, as its package.json names it. */
export interface ApplicationPackage {
  readonly name: string;
  readonly version: string | undefined;
}

/** The package of the main script or, where that is a tool's (`jest`), of the working directory. */
export async function applicationPackage(): Promise<ApplicationPackage | undefined> {
  const script = process.argv[1] ?? '';
  const isTool = script.split(sep).includes('node_modules');
  const found = script && !isTool ? await packageIn(directoriesAbove(script)) : undefined;
  return found ?? packageIn(directoriesAbove(resolve('package.json')));
}

/** The first package.json with a name: a folder may have one that says no more than `{ "type": "module" }`. */
export async function packageIn(directories: readonly string[]): Promise<ApplicationPackage | undefined> {
  for (const directory of directories) {
    const { name, version } = await contentOf(join(directory, 'package.json'));
    if (typeof name === 'string' && name !== '')
      return { name, version: typeof version === 'string' ? version : undefined };
  }
  return undefined;
}

/** From the nearest to the root. */
export function directoriesAbove(path: string): string[] {
  const directory = dirname(path);
  return directory === path ? [] : [directory, ...directoriesAbove(directory)];
}

/** Empty for what cannot be read. */
async function contentOf(path: string): Promise<{ readonly name?: unknown; readonly version?: unknown }> {
  try {
    return Object(JSON.parse(await readFile(path, 'utf8'))) as object;
  } catch {
    return {};
  }
}
