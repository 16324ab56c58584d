/** A worker thread that looks up frames in source maps. It must not load Nest or native packages. */
import { parentPort } from 'node:worker_threads';
import { finished } from '../../../format/finished.js';
import type { Task } from './map-thread.js';
import { ScriptReader } from './script-reader.js';

const reader = new ScriptReader();

parentPort!.on('message', (task: Task) => {
  if (typeof task === 'string') reader.readAhead(task);
  else parentPort!.postMessage(finished(reader.answer(task)), []);
});
