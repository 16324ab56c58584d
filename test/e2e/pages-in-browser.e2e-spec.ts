import { afterEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { describeChromium, type Tab, useChromium } from '../support/browser.js';
import { useHelmet } from '../support/helmets.js';
import { closeProxies, startProxy } from '../support/proxy.js';

const OPEN = { canActivate: () => true };

describeChromium('the pages in Chromium', () => {
  const open = useChromium();
  afterEach(closeProxies);
  afterEach(closeApps);

  describe.each(ADAPTERS)('the index on %s', (adapter) => {
    it('loads without an error behind helmet, below a prefix and a proxy that removes a path', async () => {
      const { url } = await startApp(adapter, {
        pprof: { guards: [OPEN] },
        configure: async (app) => {
          await useHelmet(app, adapter);
          app.setGlobalPrefix('api');
        },
      });
      const behindProxy = await startProxy(url, '/tools');
      for (const base of [url, behindProxy]) {
        const tab = await open();
        expect(await tab.goto(`${base}/api/debug/pprof/`)).toBe(200);
        const links = await tab.evaluate<string[]>('[...document.links].map(({ href }) => href)');
        expect(links).toContain(`${base}/api/debug/pprof/heap`);
        expect(links.filter((link) => !link.startsWith(`${base}/api/debug/pprof/`))).toEqual([]);
      }
    });
  });

  it.each(['light', 'dark'] as const)(
    'the index is %s if the system is, and fits a phone',
    async (scheme) => {
      const { base } = await startApp('express');
      const tab = await open({ width: 390, scheme });
      await tab.goto(`${base}/`);
      expect(await isDark(tab)).toBe(scheme === 'dark');
      expect(await tab.overflow()).toBeLessThanOrEqual(0);
    },
  );

  it('the policy of the index refuses a script', async () => {
    const { base } = await startApp('express');
    const tab = await open();
    await tab.goto(`${base}/`);
    await tab.evaluate(
      "document.body.append(Object.assign(document.createElement('script'), { text: 'globalThis.ran = 1' }))",
    );
    expect(await tab.evaluate('globalThis.ran')).toBeUndefined();
    expect(tab.takeComplaints()).toEqual([expect.stringContaining('Content Security Policy')]);
  });
});

/** Whether the page's text is lighter than what is behind it. */
async function isDark(tab: Tab): Promise<boolean> {
  const [text, background] = await tab.evaluate<[string, string]>(
    '(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))',
  );
  return lightness(text) > lightness(background);
}

/** Of a computed color; a transparent one is white, as the browser's own background in light. */
function lightness(color: string): number {
  const [red, green, blue, alpha] = color.match(/[\d.]+/g)!.map(Number);
  return alpha === 0 ? 3 * 255 : red! + green! + blue!;
}
