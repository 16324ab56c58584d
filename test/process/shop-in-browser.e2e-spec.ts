import { afterAll, beforeAll, it } from '@jest/globals';
import { describeChromium, useChromium } from '../support/browser.js';
import { request } from '../support/http.js';
import { TestProcess } from '../support/process.js';
import { Sample } from '../support/sample.js';

const sample = new Sample('01-basic');

/** Enough for the leak to be most of the heap. */
const VISITORS = 500;

describeChromium('sample/01-basic in Chromium', () => {
  const open = useChromium();
  let shop: TestProcess;
  let url: string;

  beforeAll(async () => {
    shop = new TestProcess(process.execPath, [await sample.build()], { PORT: '0' });
    [, url] = (await shop.printed(/^Open (http:\S+)\/debug\/pprof\/\n/m)) as unknown as [string, string];
  });
  afterAll(async () => {
    shop.kill('SIGTERM');
    await shop.exited;
    sample.clean();
  });

  it('shows the slow function in a flame graph of 5 s, three clicks from the index', async () => {
    const tab = await open();
    await tab.goto(`${url}/debug/pprof/`);
    await tab.click('a[href="flamegraph?profile=profile"]');
    await tab.click('::-p-aria(5 s)');
    await tab.drawn('SearchService.similarity');
  });

  it('shows the leaking function in the flame graph of the heap, and in that of its growth', async () => {
    await visit('first');
    const tab = await open();
    await tab.goto(`${url}/debug/pprof/`);
    await tab.click('a[href="flamegraph?profile=heap"]');
    await tab.drawn('RecommendationsCache.remember');
    await visit('second');
    await tab.click('::-p-text(What has grown)');
    await tab.says('status', 'growth between');
    await tab.drawn('RecommendationsCache.remember');
  });

  async function visit(name: string): Promise<void> {
    const visits = Array.from({ length: VISITORS }, (_, i) => `${url}/visitors/${name}-${i}/recommendation`);
    await Promise.all(visits.map((address) => request(address)));
  }
});
