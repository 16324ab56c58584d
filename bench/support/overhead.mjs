// docs/overhead.md, from what the groups have found.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import prettier from 'prettier';
import { peerVersions } from './peers.mjs';
import { tableText, worseLines } from './report.mjs';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILE = `${ROOT}docs/overhead.md`;

/**
 * Writes the sections of what was measured, and leaves those of other groups as they are.
 *
 * @param titles of all groups, in their order
 */
export async function writeOverhead(results, titles) {
  const sections = await writtenSections();
  const when = await moment();
  for (const result of results) sections.set(result.title, sectionOf(result, when).join('\n\n'));
  const text = [
    '# What it costs',
    'Made by `npm run bench -- --write`; not edited by hand.',
    await conditions(),
    'Figures in parentheses are quartiles, where nothing else is said: half of all values lie between them. "ours ÷" is the ratio of ours to the peer of that row, round by round; below 1 ours is better. Peers are compared with ours by `pprof`, `node:inspector` with ours by the inspector.',
    ...titles.flatMap((title) => sections.get(title) ?? []),
  ].join('\n\n');
  const options = await prettier.resolveConfig(FILE);
  await writeFile(FILE, await prettier.format(text, { ...options, proseWrap: 'always', filepath: FILE }));
  return FILE;
}

/** By title. */
async function writtenSections() {
  const [, ...sections] = (await readFile(FILE, 'utf8')).split(/^(?=## )/m);
  return new Map(sections.map((section) => [/^## (.*)$/m.exec(section)[1], section.trim()]));
}

async function conditions() {
  const [{ model }] = cpus();
  const facts = [
    ['machine', `${cpus().length} × ${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['system', `${process.platform} ${process.arch}`],
    ['Node', `${process.version}, V8 ${process.versions.v8}`],
    ['peers', (await peerVersions()).join(', ')],
  ];
  return ['|  |  |', '| - | - |', ...facts.map(([what, value]) => `| ${what} | ${value} |`)].join('\n');
}

async function git(...args) {
  return (await run('git', args, { cwd: ROOT })).stdout.trim();
}

async function moment() {
  return `Measured on ${new Date().toISOString().slice(0, 10)}, commit ${await commit()}.`;
}

async function commit() {
  try {
    const dirty = await git('status', '--porcelain', '--', 'src');
    return `${await git('rev-parse', '--short', 'HEAD')}${dirty ? ', with changes' : ''}`;
  } catch {
    return 'unknown';
  }
}

function sectionOf({ title, how, tables, comparisons }, when) {
  const lines = worseLines(comparisons).map(({ text, why = '' }) => `- ${text} ${why}`);
  return [
    `## ${title}`,
    `${how} ${when}`,
    ...tables.map(tableText),
    ...(lines.length ? ['Where a peer is better:', lines.join('\n')] : []),
  ];
}
