// A program without Nest, and with what else may start preload: a worker thread.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import './boot-work.cjs';

function burnInWorker() {
  for (const until = performance.now() + 100; performance.now() < until;);
}
await once(new Worker(`(${burnInWorker})()`, { eval: true }), 'exit');
console.log('done');
