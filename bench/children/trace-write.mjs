import { serveCommands } from '../support/child.mjs';
import { eventsOf } from '../support/trace-events.mjs';

const PROCESS = { pid: 4242, name: 'bench', mainThread: 4242 };

/** Writes events, and gives the number of bytes. */
const WRITERS = {
  async 'ours, go'() {
    const { goTraceWriter } = await import('../../dist/esm/format/trace/writer.js');
    return (events) => written(goTraceWriter, events);
  },
  async 'ours, json'() {
    const { jsonTraceWriter } = await import('../../dist/esm/format/trace/writer.js');
    return (events) => written(jsonTraceWriter, events);
  },
  /** What Node's own tracing gives are objects, of which one makes lines like that. */
  'JSON.stringify': () => (events) => {
    let bytes = 0;
    for (const event of events) bytes += Buffer.from(`${JSON.stringify(event)}\n`).length;
    return bytes;
  },
};

await serveCommands(async ({ name }) => {
  const write = await WRITERS[name]();
  return {
    /** In ms and bytes, from the first event to the last byte. */
    round(requests) {
      const events = eventsOf(requests);
      globalThis.gc();
      const begin = performance.now();
      const bytes = write(events);
      return { ms: performance.now() - begin, bytes, events: events.length };
    },
  };
});

function written(makeWriter, events) {
  let bytes = 0;
  const writer = makeWriter(PROCESS, (piece) => (bytes += piece.length));
  for (const event of events) writer.write(event);
  for (const _ of writer.end(events.at(-1).at));
  return bytes;
}
