// Customers of the shop, up to 25 a second. They run in a process of their own, so that no profile of the shop shows them.
import { setTimeout } from 'node:timers/promises';

/** Then the first one comes again. This limits the memory of the shop: each visitor costs it 33 KB. */
const VISITORS = 6000;

const SEARCHES = ['oak table', 'large blue lamp', 'samll leather chair', 'woolen carpet', 'mirror'];

const shop = process.argv[2]!;

process.once('disconnect', () => process.exit()); // the shop has ended

for (let visit = 0; ; visit++) {
  await Promise.all([
    get(`/visitors/${visit % VISITORS}/recommendation`),
    get(`/search?words=${encodeURIComponent(SEARCHES[visit % SEARCHES.length]!)}`),
    setTimeout(40),
  ]);
}

async function get(path: string): Promise<void> {
  const answer = await fetch(shop + path);
  await answer.arrayBuffer();
}
