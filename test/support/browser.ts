import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { type Browser, type Frame, launch, type Page } from 'puppeteer-core';
import { describeWith } from './process.js';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';

/** `describe` for tests that need Chromium. */
export const describeChromium = describeWith(CHROMIUM, ['--version']);

/** How long a page may take to fulfil a condition, in ms: less than Jest, so that the failure names the condition. */
const PATIENCE = 60_000;

/** WebGL without a GPU; root in a container has neither a sandbox nor much shared memory. */
const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--enable-unsafe-swiftshader'];

/** Runs in each document before its own scripts: notes the texts that are drawn on canvases, which no DOM has. */
const NOTE_DRAWN = `{
  const { prototype } = CanvasRenderingContext2D;
  const { fillText } = prototype;
  const drawn = (globalThis.drawn = new Set());
  prototype.fillText = function (text, ...rest) {
    drawn.add(text);
    fillText.call(this, text, ...rest);
  };
}`;

export interface Visitor {
  /** Width of the window in CSS pixels; 390: a phone with a touch screen. @default 1280 */
  readonly width?: number;
  /** @default 'light' */
  readonly scheme?: 'light' | 'dark';
  /** Sent with Basic when the server asks for it. */
  readonly credentials?: { readonly username: string; readonly password: string };
}

/** A tab of its own browser context: it shares no credentials and no storage with others. */
export class Tab {
  private readonly complaints: string[] = [];

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => {
      if (message.type() !== 'error') return;
      this.complaints.push([message.text(), message.location().url ?? ''].join(' ').trim());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('requestfailed', (request) =>
      this.complaints.push(`${request.failure()?.errorText} ${request.url()}`),
    );
  }

  static async open(
    browser: Browser,
    { width = 1280, scheme = 'light', credentials }: Visitor,
  ): Promise<Tab> {
    const page = await (await browser.createBrowserContext()).newPage();
    const isPhone = width < 500;
    await page.setViewport({ width, height: 844, isMobile: isPhone, hasTouch: isPhone });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.evaluateOnNewDocument(NOTE_DRAWN);
    if (credentials) await page.authenticate(credentials);
    return new Tab(page);
  }

  /** Opens an address and returns the status. */
  async goto(url: string): Promise<number> {
    const response = await this.page.goto(url);
    return response!.status();
  }

  /** The value of an expression in the page. */
  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate(expression) as Promise<T>;
  }

  /** Waits until an expression in the page is true. */
  async until(expression: string): Promise<void> {
    await this.page.waitForFunction(expression);
  }

  /** How much wider the page is than the window, in CSS pixels. */
  overflow(): Promise<number> {
    return this.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  /**
   * What the browser has complained of since the last call: errors in the console, which include violations of the page's
   * policy and responses with a status from 400, errors of scripts, and requests without a response. A test fails if it leaves any.
   */
  takeComplaints(): string[] {
    return this.complaints.splice(0);
  }

  async close(): Promise<void> {
    await this.page.browserContext().close();
  }
}

/** The texts that a frame has drawn on canvases so far. */
export function drawnTexts(frame: Frame): Promise<string[]> {
  return frame.evaluate('[...drawn]') as Promise<string[]>;
}

/**
 * Starts Chromium for the tests of the surrounding `describe`. After each test its tabs are closed, and the test fails if
 * the browser complained in one.
 *
 * @returns opens a tab
 */
export function useChromium(): (visitor?: Visitor) => Promise<Tab> {
  let browser: Browser | undefined;
  const tabs: Tab[] = [];
  beforeAll(async () => {
    browser = await launch({ executablePath: CHROMIUM, args: FLAGS, pipe: true });
  });
  afterEach(async () => {
    const complaints = tabs.flatMap((tab) => tab.takeComplaints());
    await Promise.all(tabs.splice(0).map((tab) => tab.close()));
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser?.close());
  return async (visitor = {}) => {
    const tab = await Tab.open(browser!, visitor);
    tabs.push(tab);
    return tab;
  };
}
