// docs/overhead.md, from what the groups have found.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import prettier from 'prettier';
import { peerVersions } from './peers.mjs';
import { tableText, worseLines } from './report.mjs';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILE = `${ROOT}docs/overhead.md`;

export async function writeOverhead(results) {
  const text = [
    '# Overhead',
    '`npm run bench -- --write` writes this file. Do not edit it by hand.',
    await conditions(),
    '"Ours" is this module. Figures in parentheses are quartiles unless stated otherwise: half of all values lie between them. "Ours ÷" is the ratio of ours to the peer of that row, round by round; below 1, ours is better. Peers are compared with `ours (pprof)`, and `node:inspector` with `ours (inspector)`.',
    ...results.flatMap(sectionOf),
  ].join('\n\n');
  const options = await prettier.resolveConfig(FILE);
  await writeFile(FILE, await prettier.format(text, { ...options, proseWrap: 'always', filepath: FILE }));
  return FILE;
}

async function conditions() {
  const [{ model }] = cpus();
  const facts = [
    ['machine', `${cpus().length} × ${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['system', `${process.platform} ${process.arch}`],
    ['Node', `${process.version}, V8 ${process.versions.v8}`],
    ['commit', await commit()],
    ['date', new Date().toISOString().slice(0, 10)],
    ['peers', (await peerVersions()).join(', ')],
  ];
  return ['|  |  |', '| - | - |', ...facts.map(([what, value]) => `| ${what} | ${value} |`)].join('\n');
}

async function git(...args) {
  return (await run('git', args, { cwd: ROOT })).stdout.trim();
}

async function commit() {
  try {
    const dirty = await git('status', '--porcelain', '--', 'src');
    return `${await git('rev-parse', '--short', 'HEAD')}${dirty ? ', with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

function sectionOf({ title, how, tables, comparisons }) {
  const lines = worseLines(comparisons).map(({ text, why }) => `- ${text} ${why}`);
  return [
    `## ${title}`,
    how,
    ...tables.map(tableText),
    ...(lines.length ? ['Where a peer is better:', lines.join('\n')] : []),
  ];
}
