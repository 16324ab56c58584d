// Watches the event loop a hundred times, and tells what it has open before and after. Without Nest: to start V8's profiler
// takes longer, the more functions there are.
import { readdirSync } from 'node:fs';
import { Session } from 'node:inspector';
import { setTimeout as passed } from 'node:timers/promises';
import { watchLoop } from '../../../dist/esm/sampling/loop-watch.js';

let sessions = 0;
const { connect, disconnect } = Session.prototype;
Session.prototype.connect = function () {
  connect.call(this);
  sessions++;
};
Session.prototype.disconnect = function () {
  disconnect.call(this);
  sessions--;
};

const countOf = (directory) => (process.platform === 'linux' ? readdirSync(directory).length : 0);

function open() {
  globalThis.gc();
  return {
    sessions,
    resources: process.getActiveResourcesInfo(),
    files: countOf('/proc/self/fd'),
    threads: countOf('/proc/self/task'),
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    rssMb: process.memoryUsage.rss() / 2 ** 20,
  };
}

async function cycles(times) {
  for (let i = 0; i < times; i++) {
    const watcher = watchLoop(50, () => {});
    await passed(1);
    watcher.end();
  }
}

await cycles(30); // what the first ones leave is there once
const before = open();
await cycles(100);
console.log(JSON.stringify({ before, after: open() }));

watchLoop(50, () => {}); // keeps no process alive
console.log('ends');
