/** A worker thread that reads large source maps. It loads no more than that takes: neither Nest nor a native package. */
import { parentPort, workerData } from 'node:worker_threads';
import { finished } from '../../../format/finished.js';
import { buffersOf } from './compact-map.js';
import { loadMap } from './script-map.js';

for (const script of workerData as string[]) {
  const loaded = finished(loadMap(script));
  parentPort!.postMessage(loaded, typeof loaded === 'object' ? buffersOf(loaded.map) : []);
}
