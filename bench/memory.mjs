// What 1,000 captures leave behind.
import { rm } from 'node:fs/promises';
import { CONTESTANTS } from './support/contestants.mjs';
import { writeFunctions } from './support/functions.mjs';
import { absentRows } from './support/report.mjs';
import { startChild } from './support/child.mjs';
import { startSink } from './support/sink.mjs';

const HZ = 1000;
const AT = [100, 1000]; // captures after which memory is read
const AT_A_TIME = 4; // most of a capture is waiting, and nothing is timed
const FUNCTIONS = 2000;
const KINDS = { cpu: 'short CPU captures', heap: 'heap readings' };
const OURS = new Set(['ours (inspector)', 'ours (pprof)']);
const NOTES = {
  '@platformatic/flame': ' (CPU and heap, as files)',
  '@pyroscope/nodejs': ' (wall, sent by HTTP)',
};
/** Its captures are those of pprof, without what pprof makes of them. */
const LEFT_OUT = "pprof's native call";
const MB = 2 ** 20;

export const title = 'Memory after 1,000 captures';

export const how = `CPU captures of 20 ms with encoding, and heap readings with encoding, one after the other. Each contestant has its own process, and
all run the same Nest application. After ${AT.join(' and ')} captures, all garbage is collected and the process's memory is read.`;

export async function run(log) {
  const sink = await startSink();
  const folder = await writeFunctions(FUNCTIONS);
  const jobs = Object.keys(KINDS).flatMap((kind) => namesOf(kind).map((name) => ({ kind, name })));
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      log(`memory: ${KINDS[job.kind]}, ${job.name}`);
      await measure(job, { hz: HZ, sink: sink.url, functions: { folder, count: FUNCTIONS } }, folder);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  sink.end();
  await rm(folder, { recursive: true });
  const reports = Object.keys(KINDS).map((kind) => report(kind, jobs));
  return { tables: reports.map(({ table }) => table), comparisons: reports.flatMap((r) => r.comparisons) };
}

/** Only those that have a heap reading of their own to ask for. */
function namesOf(kind) {
  const all = Object.keys(CONTESTANTS).filter((name) => name !== LEFT_OUT);
  return kind === 'cpu' ? all : all.filter((name) => CONTESTANTS[name].readsHeap !== false);
}

async function measure(job, options, cwd) {
  const child = await startChild('memory.mjs', { ...job, ...options }, { cwd });
  job.error = child.error;
  job.readings = [];
  try {
    let done = 0;
    for (const count of child.error ? [] : AT) {
      job.readings.push(await child.ask('capture', count - done));
      done = count;
    }
  } catch (error) {
    job.error = error.message;
  }
  await child.end();
}

function report(kind, jobs) {
  const mine = jobs.filter((job) => job.kind === kind);
  const measured = mine.filter(({ error }) => !error);
  const failed = new Map(mine.filter(({ error }) => error).map(({ name, error }) => [name, error]));
  const columns = [
    '',
    'RSS at 100, MB',
    'at 1,000',
    'ours (pprof) ÷',
    'heap used at 100',
    'at 1,000',
    'growth per capture, KB',
  ];
  const ours = measured.find(({ name }) => name === 'ours (pprof)');
  const comparisons = [];
  const rows = measured.map((job) => {
    const [early, late] = job.readings;
    const ratio = ours && ours.readings[1].rss / late.rss;
    if (ours && !OURS.has(job.name)) {
      comparisons.push(comparison(kind, job.name, ratio));
    }
    return [
      job.name + (NOTES[job.name] ?? ''),
      (early.rss / MB).toFixed(0),
      (late.rss / MB).toFixed(0),
      ratio && !OURS.has(job.name) ? ratio.toFixed(2) : '–',
      (early.heapUsed / MB).toFixed(1),
      (late.heapUsed / MB).toFixed(1),
      ((late.heapUsed - early.heapUsed) / 1024 / (AT[1] - AT[0])).toFixed(2),
    ];
  });
  return {
    comparisons,
    table: {
      title: `After 1,000 ${KINDS[kind]}`,
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    },
  };
}

function comparison(kind, peer, ratio) {
  return {
    group: 'memory',
    metric: 'RSS',
    where: KINDS[kind],
    ours: 'ours (pprof)',
    peer,
    ratio: { median: ratio, low: ratio, high: ratio },
  };
}
