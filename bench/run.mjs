// npm run bench                     all groups
// npm run bench -- holds memory     some of them
// npm run bench -- --write          all, and docs/overhead.md from them
import * as consoleCalls from './console.mjs';
import * as encode from './encode.mjs';
import * as holds from './holds.mjs';
import * as memory from './memory.mjs';
import * as merge from './merge.mjs';
import * as mutex from './mutex.mjs';
import * as requests from './requests.mjs';
import * as samples from './samples.mjs';
import { writeOverhead } from './support/overhead.mjs';
import { installPeers } from './support/peers.mjs';
import { tableText, worseLines } from './support/report.mjs';
import * as trace from './trace.mjs';
import * as waits from './waits.mjs';
import * as warm from './warm.mjs';

const GROUPS = {
  holds,
  warm,
  samples,
  requests,
  waits,
  trace,
  mutex,
  console: consoleCalls,
  encode,
  merge,
  memory,
};

const begin = performance.now();
const wanted = process.argv.slice(2).filter((arg) => arg !== '--write');
const write = process.argv.includes('--write');
const unknown = wanted.filter((name) => !Object.hasOwn(GROUPS, name));
if (unknown.length || (write && wanted.length)) {
  console.error(`usage: npm run bench -- [${Object.keys(GROUPS).join('] [')}], or --write alone`);
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
if (write) log(`wrote ${await writeOverhead(results)}`);
log('done');

function print({ title, tables, comparisons }) {
  console.log(`\n## ${title}\n`);
  for (const table of tables) console.log(tableText(table));
  for (const { text, why } of worseLines(comparisons)) {
    console.log(`better: ${text} ${why}`);
  }
}

function log(message) {
  console.error(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${message}`);
}
