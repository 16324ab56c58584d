import { EventEmitter, once } from 'node:events';
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
  private readonly expected: RegExp[] = [];
  private readonly events = new EventEmitter();

  private constructor(readonly page: Page) {
    page.setDefaultTimeout(PATIENCE);
    page.on('console', (message) => {
      if (message.type() === 'error') this.complain(message.text(), message.location().url);
    });
    page.on('pageerror', (error) => this.complain(String(error)));
    page.on('requestfailed', (request) => this.complain(request.failure()?.errorText, request.url()));
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

  private complain(...words: (string | undefined)[]): void {
    this.complaints.push(words.filter(Boolean).join(' '));
    this.events.emit('complaint');
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

  /** Clicks what matches, once it can be clicked. `::-p-aria(Cancel)` matches by the name that a screen reader reads. */
  async click(selector: string): Promise<void> {
    await this.page.locator(selector).click();
  }

  /** Waits until the page announces a text to screen readers. */
  async says(role: 'alert' | 'status', text: string): Promise<void> {
    const said = `document.querySelector('[role=${role}]').textContent`;
    try {
      await this.page.waitForFunction(`${said}.includes(${JSON.stringify(text)})`);
    } catch (error) {
      throw new Error(`the ${role} is not ${text}, but ${await this.evaluate(said)}`, { cause: error });
    }
  }

  /** Whether the page's text is lighter than what is behind it. */
  async isDark(): Promise<boolean> {
    const [text, background] = await this.evaluate<[string, string]>(
      '(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))',
    );
    return lightness(text) > lightness(background);
  }

  /** Waits for a frame in the page, and until it has drawn a text on a canvas. */
  async drawn(text: string): Promise<Frame> {
    const element = await this.page.waitForSelector('iframe');
    const frame = await element!.contentFrame();
    try {
      await frame.waitForFunction(`globalThis.drawn?.has(${JSON.stringify(text)})`);
    } catch (error) {
      throw new Error(`${text} is not drawn, but ${await frame.evaluate('[...drawn].join()')}`, {
        cause: error,
      });
    }
    return frame;
  }

  /** Presses Tab until what matches has the focus, and then Enter. */
  async pressEnterOn(selector: string): Promise<void> {
    const element = await this.page.waitForSelector(selector, { visible: true });
    const count = await this.evaluate<number>("document.querySelectorAll('a, button').length");
    for (let i = 0; i <= count; i++) {
      if (await element!.evaluate((it) => it === it.ownerDocument.activeElement))
        return this.page.keyboard.press('Enter');
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`Tab does not reach ${selector}`);
  }

  /** How much wider the page is than the window, in CSS pixels. */
  overflow(): Promise<number> {
    return this.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  /** Waits until the browser has complained of what matches, and accepts that. */
  async complains(pattern: RegExp): Promise<void> {
    this.expected.push(pattern);
    while (!this.complaints.some((complaint) => pattern.test(complaint)))
      await once(this.events, 'complaint');
  }

  /**
   * What the browser complained of unexpectedly: errors in the console, which include violations of the page's policy and
   * responses with a status from 400, errors of scripts, and requests without a response.
   */
  get unexpected(): string[] {
    return this.complaints.filter((complaint) => !this.expected.some((pattern) => pattern.test(complaint)));
  }

  async close(): Promise<void> {
    await this.page.browserContext().close();
  }
}

/** Of a computed color; a transparent one is white, as the browser's own background in light. */
function lightness(color: string): number {
  const [red, green, blue, alpha] = color.match(/[\d.]+/g)!.map(Number);
  return alpha === 0 ? 3 * 255 : red! + green! + blue!;
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
    const complaints = tabs.flatMap((tab) => tab.unexpected);
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
