// Runs the app that APP names in a worker thread.
import { Worker } from 'node:worker_threads';

process.stdin.on('end', () => process.exit()).resume();
new Worker(new URL(process.env.APP, import.meta.url)).on('exit', (code) => process.exit(code));
