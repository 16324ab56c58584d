// Node's majors, from npm: beside the peers, a folder for each, when they are asked for.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSIONS = ['20.20.2', '22.23.3', '24.21.0', '26.10.0'];
const PLATFORM = process.platform === 'win32' ? 'win' : process.platform;
const PACKAGE = `node-${PLATFORM}-${process.arch}`;
const BINARY = process.platform === 'win32' ? 'node.exe' : 'node';

/**
 * A Node of each major: this one of its own, and the others installed where they are not there yet.
 *
 * @returns of each its version, and `execPath`, or the `error` for which it cannot run
 */
export async function findNodes(log) {
  const nodes = [];
  for (const version of VERSIONS) {
    const isOurs = majorOf(version) === majorOf(process.versions.node);
    nodes.push(
      isOurs ? { version: process.versions.node, execPath: process.execPath } : await found(version, log),
    );
  }
  return nodes;
}

async function found(version, log) {
  const folder = fileURLToPath(new URL(`../nodes/${version}`, import.meta.url));
  const execPath = `${folder}/node_modules/${PACKAGE}/bin/${BINARY}`;
  try {
    if (!(await runs(execPath))) {
      log(`installs Node ${version}`);
      const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
      await run('npm', ['install', '--prefix', folder, ...options, `${PACKAGE}@${version}`]);
      await run(execPath, ['--version']);
    }
    return { version, execPath };
  } catch (error) {
    return { version, error: reasonOf(error) };
  }
}

function runs(execPath) {
  return run(execPath, ['--version']).then(
    () => true,
    () => false,
  );
}

function reasonOf({ stderr, message }) {
  return (stderr || message).trim().split('\n')[0];
}

function majorOf(version) {
  return version.split('.')[0];
}
