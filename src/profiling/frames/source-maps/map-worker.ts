/** A worker thread that reads large source maps. It loads no more than that takes: neither Nest nor a native package. */
import { parentPort } from 'node:worker_threads';
import { buffersOf } from './compact-map.js';
import { loadMap } from './load-map.js';

parentPort!.on('message', (script: string) => {
  const loaded = loadMap(script);
  parentPort!.postMessage(loaded, loaded ? buffersOf(loaded.map) : []);
});
parentPort!.postMessage('ready', []);
