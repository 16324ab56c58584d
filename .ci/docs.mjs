// Checks what people read, after cspell: links of Markdown files, words that we do not use, and with write-good a few rules of
// style. Prints what is wrong, by file and line.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import writeGood from 'write-good';

/** Addresses of files of this repository, as npmjs.com needs them. */
const OURS = [
  /^https:\/\/github\.com\/nestjs-pprof\/nestjs-pprof\/(?:blob|tree)\/main\//,
  /^https:\/\/raw\.githubusercontent\.com\/nestjs-pprof\/nestjs-pprof\/main\//,
];

/** Words that mean nothing to a newcomer, and what to write instead. */
const WORDS = [
  [/front doors?/, 'entry point'],
  [/house|keepers?|twins?|exchanges?|delegates?/, 'the technical term'],
  [/mounts?/, 'serve at, or the technical term'],
  [/tells?|told/, 'reports, shows'],
  [/apart( from)?/, 'separate, except'],
  [/leaves/, 'disconnects, omits, keeps'],
  [/stands?|stood/, 'is'],
  [/(is|are|can be) had/, 'exists'],
  [/there (is|are|was|were) none/, 'no …'],
  [/lest/, 'so that … not'],
  [/whoever/, 'any client that'],
  [/nobody's choice/, 'the technical term'],
  [/lets? (in|through)/, 'allows'],
].map(([pattern, instead]) => ({
  pattern: new RegExp(`(?<![\\w-])(?:${pattern.source})(?![\\w-])`, 'gi'),
  instead,
}));

/** Of write-good: repeated words, "there is", clichés. */
const RULES = { so: false, weasel: false, passive: false, adverb: false, tooWordy: false, eprime: false };

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file && !file.startsWith('test/'));
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));

const problems = files.flatMap((file) => {
  const text = texts.get(file);
  const at = (index) => `${file}:${text.slice(0, index).split('\n').length}`;
  return [...links(file, text), ...style(prose(text))].map(({ index, problem }) => `${at(index)} ${problem}`);
});
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else console.log(`${files.length} Markdown files: links and style are right`);

/** Signs without meaning in place of the code and the addresses, so that all else keeps its index. */
function prose(text) {
  return text
    .replace(/^```[^]*?^```$|`[^`\n]+`|\]\([^)\s]+\)|<[^>\s]+>/gm, (code) => code.replace(/./g, '·'))
    .replace(/\n(?=\n)/g, '·'); // a heading may end with the word that the next paragraph begins with
}

function style(text) {
  const unwanted = WORDS.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map(({ 0: word, index }) => ({
      index,
      problem: `"${word}": write ${instead}`,
    })),
  );
  return [...unwanted, ...writeGood(text, RULES).map(({ index, reason }) => ({ index, problem: reason }))];
}

function links(file, text) {
  const source = text.replace(/^```[^]*?^```$|`[^`\n]+`/gm, (code) => code.replace(/[^`\n]/g, '·'));
  const found = [...source.matchAll(/\]\(([^)\s]*)\)|<(https?:[^>\s]*)>/g)];
  return found.flatMap(({ 1: link, 2: address = link, index }) => {
    const problem = linkProblem(file, address);
    return problem ? [{ index, problem: `${problem}: ${address}` }] : [];
  });
}

function linkProblem(file, address) {
  const ours = OURS.find((pattern) => pattern.test(address));
  if (!ours && /^\w+:/.test(address)) return URL.canParse(address) ? undefined : 'no valid address';
  const [path, anchor] = (ours ? address.replace(ours, '') : address).split('#');
  const target = path === '' ? file : ours ? path : join(dirname(file), path);
  if (!existsSync(target)) return 'no such file';
  if (anchor === undefined || !target.endsWith('.md')) return undefined;
  return anchors(texts.get(target)).has(anchor) ? undefined : 'no such heading';
}

/** As GitHub makes them of headings, and those that are in the text. */
function anchors(text) {
  const seen = new Map();
  const headings = text.replace(/^```[^]*?^```$/gm, '').matchAll(/^#+ +(.+)$/gm);
  const made = [...headings].map(([, heading]) => {
    const title = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
  return new Set([...made, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id)]);
}
