// The peers live in bench/node_modules, so that the root's install stays small.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BENCH = fileURLToPath(new URL('../', import.meta.url));
const LOCK = `${BENCH}package-lock.json`;
const STAMP = `${BENCH}node_modules/.installed-for`;

/** Installs them, unless they are there for this lock file and this Node. Without them the others are measured. */
export async function installPeers(log) {
  const stamp = `${process.version} ${createHash('sha256')
    .update(await readFile(LOCK))
    .digest('hex')}`;
  if ((await readFile(STAMP, 'utf8').catch(() => '')) === stamp) return;
  log('installs the peers');
  try {
    await run('npm', ['ci', '--prefix', BENCH, '--no-audit', '--no-fund'], { cwd: BENCH });
    await writeFile(STAMP, stamp);
  } catch (error) {
    log(`the peers cannot be installed: ${error.stderr || error.message}`);
  }
}

/** Name and version of each that is there. */
export async function peerVersions() {
  const { dependencies, optionalDependencies } = await manifest(`${BENCH}package.json`);
  const names = Object.keys({ ...dependencies, ...optionalDependencies }).sort();
  const versions = await Promise.all(
    names.map(async (name) => {
      const found = await manifest(`${BENCH}node_modules/${name}/package.json`).catch(() => undefined);
      return found && `${name} ${found.version}`;
    }),
  );
  return versions.filter((version) => version !== undefined);
}

async function manifest(path) {
  return JSON.parse(await readFile(path, 'utf8'));
}
