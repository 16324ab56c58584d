import { describe, expect, it } from '@jest/globals';
import { buildModel } from '@tracerbench/trace-model';
import fc from 'fast-check';
import { anyEvents, frame, PROCESS, written } from '../../../test/support/trace-events.js';
import { type JsonTrace, readTraceJson } from '../../../test/support/trace-json.js';
import { finished } from '../finished.js';
import type { TraceEvent } from './events.js';
import { jsonTraceWriter } from './writer.js';

const MS = 1e6;
const thread = PROCESS.mainThread;
const findAll = frame('CatsController.findAll', 'file:///app/cats.js', 12);

function trace(events: readonly TraceEvent[], end = 0): JsonTrace {
  return readTraceJson(written(jsonTraceWriter, events, end));
}

function ms(micros: number): number {
  return Math.round(micros / 1000);
}

function sample(at: number, name: string): TraceEvent {
  return { type: 'sample', at, thread, stack: [frame(name), findAll] };
}

const request: readonly TraceEvent[] = [
  { type: 'execution', at: 0, execution: 2, name: 'GET /cats', start: findAll },
  { type: 'run', at: 0, execution: 2, thread },
  { type: 'task-begin', at: 0, execution: 2, task: 1, name: 'GET /cats' },
  { type: 'region-begin', at: 1 * MS, execution: 2, region: 1, task: 1, name: 'handler' },
  { type: 'wait', at: 10 * MS, execution: 2, cause: 'network', stack: [frame('query'), findAll] },
  { type: 'collection', at: 20 * MS, until: 22 * MS, thread, kind: 'scavenge', before: 2000, after: 1000 },
  { type: 'run', at: 60 * MS, execution: 2, thread },
  { type: 'log', at: 65 * MS, execution: 2, task: 1, key: 'status', text: '200' },
  { type: 'region-end', at: 70 * MS, execution: 2, region: 1 },
  { type: 'task-end', at: 71 * MS, execution: 2, task: 1 },
  { type: 'end', at: 72 * MS, execution: 2 },
];

describe('a trace in the JSON of trace events', () => {
  it('has a row for the thread, with slices of who ran', () => {
    const { slices, threads } = trace(request);

    expect(threads.get(thread)).toBe('main');
    expect(slices.filter(({ cat }) => cat === 'run')).toMatchObject([
      { name: 'GET /cats', track: `${thread}`, args: { next: 'network' } },
      { name: 'GET /cats', track: `${thread}`, args: { next: 'end' } },
    ]);
  });

  it('has a track for the request, in which regions and waits nest', () => {
    const { slices, entries } = trace(request);
    const track = slices.filter(({ cat }) => cat === 'execution');

    expect(track.map(({ name, depth, begin, end }) => [name, depth, ms(begin), ms(end)])).toEqual([
      ['network', 2, 10, 60],
      ['handler', 1, 1, 70],
      ['GET /cats', 0, 0, 72],
    ]);
    expect(track[0]!.args.stack).toEqual([
      'query (file:///app/cats.js:7)',
      'CatsController.findAll (file:///app/cats.js:12)',
    ]);
    expect(entries.find(({ ph }) => ph === 'n')).toMatchObject({ name: 'status', args: { text: '200' } });
    expect(slices.filter(({ cat }) => cat === 'task')).toMatchObject([{ name: 'GET /cats' }]);
  });

  it('has collections in a row of their own, and the heap', () => {
    const { slices, entries } = trace(request);

    expect(slices.find(({ cat }) => cat === 'gc')).toMatchObject({
      name: 'scavenge',
      begin: expect.closeTo(20_000),
    });
    expect(entries.filter(({ ph }) => ph === 'C').map(({ args }) => args!.used)).toEqual([2000, 1000]);
  });

  it('has CPU samples as a profile of V8', () => {
    const { samples } = trace(
      Array.from({ length: 250 }, (_, i) => sample(i * 1000, i % 5 === 0 ? 'rare' : 'often')),
    );

    expect([...samples]).toEqual([
      ['rare', 50],
      ['often', 200],
    ]);
  });

  it('ends what has not ended', () => {
    const { slices } = trace(request.slice(0, 5), 1000 * MS);

    expect(slices.map(({ name, end }) => [name, Math.round(end / 1000)])).toEqual([
      ['GET /cats', 10],
      ['network', 1000],
      ['handler', 1000],
      ['GET /cats', 1000],
      ['GET /cats', 1000],
    ]);
  });

  it('is read by a parser of trace events', () => {
    const entries = JSON.parse(written(jsonTraceWriter, request).toString()) as Parameters<
      typeof buildModel
    >[0];
    const { processes } = buildModel(entries);
    const main = processes[0]!.threads.find(({ id }) => id === thread)!;

    expect(processes.map(({ id, name }) => [id, name])).toEqual([[PROCESS.pid, PROCESS.name]]);
    expect(main.name).toBe('main');
    expect(main.events.filter(({ ph }) => ph === 'X')).toMatchObject([
      { duration: expect.closeTo(10_000, 0) },
      {},
    ]);
  });

  it('is handed out piece by piece', () => {
    const pieces: Uint8Array[] = [];
    const writer = jsonTraceWriter(PROCESS, (piece) => pieces.push(piece));
    for (let i = 0; i < 2000; i++) {
      writer.write({ type: 'execution', at: i * 1e9, execution: i + 2, name: 'GET /cats' });
    }
    expect(pieces.length).toBeGreaterThan(1);
    finished(writer.end(0));

    expect(readTraceJson(Buffer.concat(pieces)).slices).toHaveLength(2000);
  });

  it('is sound whatever events come, in whatever order', () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        expect(() => trace(events)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
