import { announce, serve } from '../../serve.cjs';
import spend from '../../spend.cjs';
import { hold, hotA, hotB } from './hot.js';
import type { Job } from './jobs.js';

const jobs: readonly Job[] = [
  { share: 0.7, run: hotA },
  { share: 0.3, run: hotB },
];

/** Calls them from a second place, lest a minifier puts their code into the list above. */
const once = (): number => hotA(1) + hotB(1);

process.on('worker', (worker) => {
  console.log('a thread has started');
  worker.once('exit', () => console.log('a thread has ended'));
});

async function main(): Promise<void> {
  const library: object = await import('nestjs-pprof' as string); // no types, which are there only after a build
  await announce(await serve(library, { hold, once }));
  spend(jobs);
}

void main();
