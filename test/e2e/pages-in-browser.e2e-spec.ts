import {
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  UnauthorizedException,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureEvent, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, shortCpuCaptures, shortWindows, startApp } from '../support/app.js';
import { describeChromium, useChromium } from '../support/browser.js';
import { useHelmet } from '../support/helmets.js';
import { closeProxies, startProxy } from '../support/proxy.js';

const OPEN = { canActivate: () => true };

const CREDENTIALS = { username: 'ops', password: 'sesame' };

/** Admits who has the credentials, and asks others for them. */
class BasicGuard implements CanActivate {
  isClosed = false;

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { authorization } = http.getRequest<{ headers: Record<string, string | undefined> }>().headers;
    const { username, password } = CREDENTIALS;
    const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (!this.isClosed && authorization === expected) return true;
    http
      .getResponse<{ header(name: string, value: string): unknown }>()
      .header('www-authenticate', 'Basic realm="pprof"');
    throw new UnauthorizedException();
  }
}

/** Adds a profile with one stack: in those of memory, what is outside V8's heap is real, and may leave no room for a name. */
function adoptIn(app: INestApplication): void {
  const cats = app.get(ProfilerService).newProfile('cats');
  const adopt = (): void => cats.add({});
  adopt();
}

const flameGraphOf = (profile: string): string => `a[href="flamegraph?profile=${profile}"]`;

describeChromium('the pages in Chromium', () => {
  const open = useChromium();
  afterEach(closeProxies);
  afterEach(closeApps);

  describe.each(ADAPTERS)('on %s', (adapter) => {
    it('lead from the index to a CPU flame graph behind helmet, below a prefix and a proxy that removes a path', async () => {
      const started = await startApp(adapter, {
        pprof: { guards: [OPEN] },
        configure: async (app) => {
          await useHelmet(app, adapter);
          app.setGlobalPrefix('api');
        },
      });
      const asked = shortCpuCaptures(started);
      const base = `${await startProxy(started.url, '/tools')}/api/debug/pprof/`;
      const tab = await open();
      await tab.goto(base);
      const links = await tab.evaluate<string[]>('[...document.links].map(({ href }) => href)');
      const own = links.filter((link) => !link.startsWith('https:'));
      expect(own.filter((link) => !link.startsWith(base))).toEqual([]);
      await tab.click(flameGraphOf('profile'));
      await tab.click('::-p-aria(5 s)');
      await tab.drawn('hotA');
      expect(asked.map(({ seconds }) => seconds)).toEqual([5]);
    });

    it('show nothing without the credentials that a guard asks for, and say when they are no longer accepted', async () => {
      const guard = new BasicGuard();
      const { app, base } = await startApp(adapter, { pprof: { guards: [guard] } });
      adoptIn(app);
      const stranger = await open();
      await expect(stranger.goto(`${base}/`)).rejects.toThrow('ERR_INVALID_AUTH_CREDENTIALS');
      await stranger.complains(/ERR_INVALID_AUTH_CREDENTIALS/);
      await stranger.complains(/status of 401/);

      const tab = await open({ credentials: CREDENTIALS });
      await tab.goto(`${base}/`);
      await tab.click(flameGraphOf('cats'));
      await tab.drawn('adopt');
      guard.isClosed = true;
      await tab.click('::-p-text(What has grown)');
      await tab.says('alert', 'requires credentials (401)');
      await tab.complains(/status of 401/);
    });
  });

  it('cancel a capture, say so, and begin the next', async () => {
    const started = await startApp('express');
    const { app, base, sampling } = started;
    const logged = new Promise<CaptureEvent>((resolve) =>
      app.get(ProfilerService).captures.subscribe(resolve),
    );
    const begun = sampling.begun();
    const tab = await open();
    await tab.goto(`${base}/flamegraph?profile=profile&seconds=30`);
    await begun;
    await tab.says('status', 'of 30 s');
    await tab.click('::-p-aria(Cancel)');
    await tab.says('status', 'Canceled');
    expect(await logged).toMatchObject({ profile: 'profile', received: false });
    await tab.complains(/ERR_ABORTED/);

    shortCpuCaptures(started);
    await tab.click('::-p-aria(5 s)');
    await tab.drawn('hotA');
  });

  it("show the service's reason to refuse a capture", async () => {
    const { app, base } = await startApp('express');
    const profiler = app.get(ProfilerService);
    profiler.startCpuProfile();
    const tab = await open();
    await tab.goto(`${base}/flamegraph?profile=profile&seconds=5`);
    await tab.says('alert', 'Could not enable CPU profiling');
    await tab.complains(/status of 500/);
    await profiler.stopCpuProfile();
  });

  it('draw a window of a named profile', async () => {
    const started = await startApp('express');
    const { app, base, sampling } = started;
    const asked = shortWindows(started);
    const allocs = app.get(ProfilerService).lookup('allocs')!;
    const openWindow = allocs.openWindow.bind(allocs);
    allocs.openWindow = async () => {
      const window = await openWindow();
      sampling.heap.churn(65_536);
      return window;
    };
    const tab = await open();
    await tab.goto(`${base}/flamegraph?profile=allocs`);
    await tab.click('::-p-aria(Change in 5 s)');
    await tab.says('status', 'allocs: 5 s until');
    await tab.drawn('churn');
    expect(asked.map(({ seconds }) => seconds)).toEqual([5]);
  });

  it('say that a profile is empty, draw it once it is not, and draw what has grown since then', async () => {
    const { app, base } = await startApp('express');
    const cats = app.get(ProfilerService).newProfile('cats');
    const adopt = (): void => cats.add({});
    const rescue = (): void => cats.add({});
    const tab = await open();
    await tab.goto(`${base}/flamegraph?profile=cats`);
    await tab.says('status', 'The profile is empty.');
    adopt();
    await tab.click('::-p-aria(Now)');
    await tab.drawn('adopt');
    rescue();
    await tab.click('::-p-text(What has grown)');
    await tab.says('status', 'growth between');
    const frame = await tab.drawn('rescue');
    expect(await frame.evaluate('[...drawn]')).not.toContain('adopt');
  });

  it('are usable with the keyboard alone', async () => {
    const started = await startApp('express');
    const tab = await open();
    await tab.goto(`${started.base}/`);
    await tab.pressEnterOn(flameGraphOf('profile'));
    const begun = started.sampling.begun();
    await tab.pressEnterOn('::-p-aria(30 s)');
    await begun;
    await tab.pressEnterOn('::-p-aria(Cancel)');
    await tab.says('status', 'Canceled');
    await tab.complains(/ERR_ABORTED/);
    shortCpuCaptures(started);
    await tab.pressEnterOn('::-p-aria(10 s)');
    const frame = await tab.drawn('hotA');
    await tab.page.keyboard.press('3'); // speedscope's key for its table
    await frame.waitForFunction("document.body.innerText.includes('Symbol Name')");
  });

  it.each(['light', 'dark'] as const)('are %s if the system is, and fit a phone', async (scheme) => {
    const { app, base } = await startApp('express');
    adoptIn(app);
    const tab = await open({ width: 390, scheme });
    const seen = async (): Promise<object> => ({
      isDark: await tab.isDark(),
      fits: (await tab.overflow()) <= 0,
    });
    await tab.goto(`${base}/`);
    expect(await seen()).toEqual({ isDark: scheme === 'dark', fits: true });
    await tab.click(flameGraphOf('cats'));
    await tab.drawn('adopt');
    expect(await seen()).toEqual({ isDark: scheme === 'dark', fits: true });
  });

  it('have a policy that refuses a script', async () => {
    const { base } = await startApp('express');
    const tab = await open();
    for (const page of ['', 'flamegraph?profile=profile']) {
      await tab.goto(`${base}/${page}`);
      await tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), { text: 'globalThis.ran = 1' }))",
      );
      expect(await tab.evaluate('globalThis.ran')).toBeUndefined();
      await tab.complains(/Content Security Policy/);
    }
  });
});
