// A program without Nest, and with what else NODE_OPTIONS starts preload in: a worker thread and a child process.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import './boot-work.cjs';

await once(new Worker('', { eval: true }), 'exit');
spawnSync(process.execPath, ['--eval', 'console.log("of the child")'], { stdio: 'inherit' });
console.log('done');
