// Puts one fault at a time into a copy of the repository, and fails if `npm test` does not notice it.
//
//     npm run test:teeth                   all faults; this takes some minutes for each
//     npm run test:teeth -- redact 405     those whose title or file contains one of the words
//     npm run test:teeth -- --check        only whether each one's text is there; part of `npm run lint`
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FAULTS } from './faults.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_COPIED = /^(\.git|dist|node_modules|coverage|sample\/[^/]+\/(dist|node_modules))$/;
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];
const LIMIT_MS = 20 * 60_000;

if (process.argv[2] === '--check') {
  const problems = FAULTS.map((fault) => problemOf(fault, ROOT)).filter(Boolean);
  for (const problem of problems) console.error(problem);
  process.exit(problems.length > 0 ? 1 : 0);
}

const words = process.argv.slice(2);
const faults = FAULTS.filter(
  ({ title, file }) =>
    words.length === 0 || words.some((word) => title.includes(word) || file.includes(word)),
);
const copy = mkdtempSync(join(tmpdir(), 'nestjs-pprof-teeth-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

cpSync(ROOT, copy, { recursive: true, filter: (path) => !NOT_COPIED.test(relative(ROOT, path)) });
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));

const patterns = faults.every(({ tests }) => tests) ? faults.flatMap(({ tests }) => tests) : [];
const before = verdictOn({ tests: patterns });
console.log(`without a fault | ${before}`);
if (before !== 'GREEN') throw new Error('the tests fail without a fault');

const unnoticed = faults.filter((fault) => {
  const verdict = withFault(fault);
  console.log(`${fault.title} | ${verdict}`);
  return verdict !== 'red';
});
console.log(`${faults.length - unnoticed.length} of ${faults.length} faults are noticed`);
process.exitCode = unnoticed.length > 0 ? 1 : 0;

function withFault(fault) {
  const problem = problemOf(fault, copy);
  if (problem) return `NOT TRIED: ${problem}`;
  const path = join(copy, fault.file);
  const source = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    source.replace(fault.find, () => fault.replace),
  );
  try {
    return verdictOn(fault);
  } finally {
    writeFileSync(path, source);
  }
}

function problemOf({ title, file, find }, root) {
  const count = readFileSync(join(root, file), 'utf8').split(find).length - 1;
  return count === 1 ? undefined : `${title}: ${file} has ${count} times ${find}`;
}

/** Builds the copy, since some tests run the built package, and runs its tests up to the first failure. */
function verdictOn({ tests = [] }) {
  const build = run('npm', 'run', '-s', 'build');
  if (build.status !== 0) return `NOT TRIED: it does not compile\n${build.stdout}`;
  // With some faults tests wait in vain; in test/e2e none takes a second.
  const timeout = tests.length > 0 && tests.every((path) => path.startsWith('test/e2e/')) ? 5000 : 60_000;
  const jest = run(process.execPath, ...JEST, '--bail', '--silent', `--testTimeout=${timeout}`, ...tests);
  return jest.status === 0 ? 'GREEN' : 'red';
}

function run(command, ...args) {
  return spawnSync(command, args, {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, CI: 'true' },
    maxBuffer: 2 ** 28,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    shell: process.platform === 'win32' && command === 'npm',
  });
}
