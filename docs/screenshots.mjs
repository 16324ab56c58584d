// Takes the pictures of the pages in docs/, from sample/01-basic: `npm run screenshots`. It needs Debian's packages chromium and
// fonts-noto-color-emoji.
import { spawn, spawnSync } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';

const SAMPLE = fileURLToPath(new URL('../sample/01-basic/', import.meta.url));

const LOOKS = [
  { suffix: '', width: 1280, height: 620, scheme: 'light' },
  { suffix: '-dark', width: 1280, height: 620, scheme: 'dark' },
  { suffix: '-phone', width: 390, height: 844, scheme: 'light', isMobile: true, hasTouch: true },
];

/** What a visitor does from the index on until a page is as it should be seen. */
const PAGES = {
  'index-page': async () => {},
  'flame-graph': async (page) => {
    await page.locator('a[href="flamegraph?profile=profile"]').click();
    await page.locator('::-p-aria(5 s)').click();
    await drawn(page);
  },
  'heap-growth': async (page) => {
    await page.locator('a[href="flamegraph?profile=heap"]').click();
    await page.locator('::-p-aria(After GC)').click();
    await drawn(page);
    await setTimeout(10_000); // customers come meanwhile
    await page.locator('::-p-text(What has grown)').click();
    await page.waitForFunction("document.querySelector('[role=status]').textContent.includes('growth')");
    await drawn(page);
  },
};

spawnSync('npm', ['run', '-s', 'build'], { cwd: SAMPLE, stdio: 'inherit' });
const shop = spawn(process.execPath, ['dist/main.js'], { cwd: SAMPLE, stdio: ['ignore', 'pipe', 'inherit'] });
process.once('exit', () => shop.kill('SIGTERM')); // after an error too
const browser = await launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--enable-unsafe-swiftshader'],
});
try {
  const index = await addressOf(shop);
  for (const look of LOOKS) {
    for (const [name, visit] of Object.entries(PAGES)) await photograph(index, name, visit, look);
  }
} finally {
  shop.kill('SIGTERM');
  await browser.close();
}

async function addressOf({ stdout }) {
  let output = '';
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    const [, address] = /^Open (http:\S+)/m.exec(output) ?? [];
    if (address) return address;
  }
  throw new Error('the sample has ended');
}

async function photograph(index, name, visit, { suffix, scheme, ...viewport }) {
  const page = await browser.newPage();
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(index);
  await visit(page);
  const path = fileURLToPath(new URL(`${name}${suffix}.png`, import.meta.url));
  await page.screenshot({ path });
  await page.close();
}

/** Waits until speedscope shows a profile; it draws it in the next frame. */
async function drawn(page) {
  const element = await page.waitForSelector('iframe');
  const frame = await element.contentFrame();
  await frame.waitForFunction("document.querySelectorAll('canvas').length > 1");
  await frame.evaluate(
    'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
  );
}
