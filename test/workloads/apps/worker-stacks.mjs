// Looks at what worker threads of known kinds do, a hundred times, and at what that leaves.
import { once } from 'node:events';
import { Session } from 'node:inspector';
import { setTimeout as passed } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { rememberWorkerBirths } from '../../../dist/esm/sampling/worker-births.js';
import { workerStacks } from '../../../dist/esm/sampling/worker-stacks.js';

const TIMEOUT = 100;

let opened = 0;
let sessions = 0;
const { connect, disconnect } = Session.prototype;
Session.prototype.connect = function () {
  connect.call(this);
  opened++;
  sessions++;
};
Session.prototype.disconnect = function () {
  disconnect.call(this);
  sessions--;
};

const CODE = `
  const { parentPort, workerData } = require('node:worker_threads');
  const beats = new Int32Array(workerData);
  parentPort.on('message', () => parentPort.postMessage('alive'));
  parentPort.postMessage('ready');
  setTimeout(KIND, 20);
`;
const KINDS = {
  spins: 'function spin() { function tight() { for (;;) beats[0]++; } tight(); }',
  waits:
    'function wait() { for (;;) { beats[0]++; Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); } }',
  idles: '() => {}',
};

const open = () => ({ sessions, resources: process.getActiveResourcesInfo().sort() });

/** Frames as texts, by the names of the workers. */
async function look() {
  const stacks = await workerStacks(TIMEOUT);
  return Object.fromEntries(
    stacks.map(({ threadId, frames }) => [
      names.get(threadId),
      frames?.map(({ functionName, line }) => `${functionName}:${line}`),
    ]),
  );
}

rememberWorkerBirths();
await workerStacks(TIMEOUT);
const openedForNone = opened;

const names = new Map();
const workers = [];
for (const [kind, code] of Object.entries(KINDS)) {
  const shared = new SharedArrayBuffer(4);
  const worker = new Worker(CODE.replace('KIND', code), { eval: true, workerData: shared });
  names.set(worker.threadId, kind);
  workers.push({ kind, worker, beats: new Int32Array(shared) });
  await once(worker, 'message');
}
const unsettled = await look();
await passed(5200); // workers that have just been made are left alone

const looks = [await look()];
const before = open();
for (let i = 0; i < 99; i++) looks.push(await look());
const after = open();

const beatsOf = () => Object.fromEntries(workers.map(({ kind, beats }) => [kind, Atomics.load(beats, 0)]));
const [earlier] = [beatsOf(), await passed(1000)];
const later = beatsOf();
const idle = workers.at(-1).worker;
idle.postMessage('are you?', []);
const [answer] = await once(idle, 'message');

const ending = look();
for (const { worker } of workers) void worker.terminate();
const ended = await ending;

console.log(
  JSON.stringify({
    openedForNone,
    unsettled,
    looks,
    before,
    after,
    earlier,
    later,
    answer,
    ended: Object.keys(ended),
  }),
);
