// npm run bench                     all groups
// npm run bench -- holds memory     some of them
// npm run bench -- --write          all, and docs/overhead.md from them
// npm run bench -- --write holds    some of them, and their sections of it
import * as algebra from './algebra.mjs';
import * as encode from './encode.mjs';
import * as holders from './holders.mjs';
import * as holds from './holds.mjs';
import * as idle from './idle.mjs';
import * as memory from './memory.mjs';
import * as requests from './requests.mjs';
import * as samples from './samples.mjs';
import { writeOverhead } from './support/overhead.mjs';
import { installPeers } from './support/peers.mjs';
import { tableText, worseLines } from './support/report.mjs';
import * as trace from './trace.mjs';
import * as waits from './waits.mjs';

const GROUPS = { holds, samples, requests, idle, waits, holders, trace, encode, algebra, memory };

const begin = performance.now();
const wanted = process.argv.slice(2).filter((arg) => arg !== '--write');
const write = process.argv.includes('--write');
const unknown = wanted.filter((name) => !Object.hasOwn(GROUPS, name));
if (unknown.length) {
  console.error(`usage: npm run bench -- [--write] [${Object.keys(GROUPS).join('] [')}]`);
  process.exit(2);
}

await installPeers(log);
const results = [];
for (const name of wanted.length ? wanted : Object.keys(GROUPS)) {
  const group = GROUPS[name];
  const result = { title: group.title, how: group.how, ...(await group.run(log)) };
  results.push(result);
  print(result);
}
const titles = Object.values(GROUPS).map(({ title }) => title);
if (write) log(`wrote ${await writeOverhead(results, titles)}`);
log('done');

function print({ title, tables, comparisons }) {
  console.log(`\n## ${title}\n`);
  for (const table of tables) console.log(tableText(table));
  for (const { text, why } of worseLines(comparisons)) {
    console.log(`better: ${text} ${why ?? 'Nobody has looked why (bench/support/reasons.mjs).'}`);
  }
}

function log(message) {
  console.error(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${message}`);
}
