// Who traces what executions do. Each gives
//   imports    modules for the Nest application
//   ready(app) called when that is up
//   start()    begins a trace
//   stop()     ends it, when its bytes are there
import inspector from 'node:inspector';
import { once } from 'node:events';
import { Writable } from 'node:stream';

/** Of Node's own trace events: those that tell what ours tells. */
const CATEGORIES = [
  'node.async_hooks',
  'node.http',
  'node.net.native',
  'node.dns.native',
  'node.fs.async',
  'node.threadpoolwork.async',
  'v8',
];

/** CPU samples, as ours has them. */
const SAMPLES = 'disabled-by-default-v8.cpu_profiler';

export const TRACERS = {
  nobody: () => ({}),
  go: () => ours('go'),
  json: () => ours('json'),
  NodeTracing: () => nodeTracing(CATEGORIES),
  'NodeTracing, samples': () => nodeTracing([...CATEGORIES, SAMPLES]),
};

async function ours(format) {
  const { PprofModule, Tracer } = await import('../../dist/esm/index.js');
  let tracer;
  return {
    imports: [PprofModule.forRoot({ sampler: 'inspector' })],
    ready(app) {
      tracer = app.get(Tracer, { strict: false });
    },
    start: () => tracer.start(new Writable({ write: (_chunk, _encoding, done) => done() }), { format }),
    stop: () => tracer.stop(),
  };
}

/** By the inspector's session; what comes is made a text of, as who asked for it would have to. */
function nodeTracing(includedCategories) {
  const session = new inspector.Session();
  session.connect();
  session.on('NodeTracing.dataCollected', ({ params }) => void JSON.stringify(params.value));
  const post = (method, params) =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error) => (error ? reject(new Error(error.message)) : resolve()));
    });
  return {
    start: () => post('NodeTracing.start', { traceConfig: { includedCategories } }),
    async stop() {
      const complete = once(session, 'NodeTracing.tracingComplete');
      await post('NodeTracing.stop');
      await complete;
    },
  };
}
