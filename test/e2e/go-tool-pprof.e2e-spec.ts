import type { CanActivate } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { describeGo, goPprof, runGoPprof, topRows } from '../support/go.js';

const CREDENTIALS = 'scraper:s3cret';

const basicGuard: CanActivate = {
  canActivate(context) {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return headers.authorization === `Basic ${Buffer.from(CREDENTIALS).toString('base64')}`;
  },
};

/** Rows of `-top -unit=ms` for the made-up samples: flat and cumulative time. */
const TOP = [
  ['hotA', '700ms', '700ms'],
  ['hotB', '300ms', '300ms'],
  ['v8:worker', '50ms', '50ms'],
  ['(other threads)', '0', '50ms'],
  ['main', '0', '1000ms'],
];

describeGo('go tool pprof reads a service', () => {
  describe.each(ADAPTERS)('on %s', (adapter) => {
    let app: TestApp;
    let refusing: TestApp;
    beforeAll(async () => {
      app = await startApp(adapter);
      refusing = await startApp(adapter, { pprof: { guards: [basicGuard] } });
    });
    afterAll(closeApps);

    it('-top of profile shows the time of each function', async () => {
      const rows = topRows(await goPprof('-top', '-unit=ms', '-seconds=1', `${app.base}/profile`));
      expect([...rows].map(([name, { flat, cum }]) => [name, flat, cum])).toEqual(TOP);
    });

    it('-top of heap shows inuse_space by default', async () => {
      const output = await goPprof('-top', `${app.base}/heap`);
      expect(output).toContain('Type: inuse_space\n');
      expect(topRows(output).get('hold')).toMatchObject({ flat: '2MB', cum: '2MB' });
    });

    it.each(['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'])(
      '-sample_index=%s of heap is understood',
      async (type) => {
        expect(await goPprof('-top', `-sample_index=${type}`, `${app.base}/heap`)).toContain(
          `Type: ${type}\n`,
        );
      },
    );

    it('the password in an address is sent', async () => {
      const address = `${refusing.base}/heap`.replace('//', `//${CREDENTIALS}@`);
      expect(topRows(await goPprof('-top', address)).has('hold')).toBe(true);
    });

    it('the text of a refusal is printed', async () => {
      const { code, output } = await runGoPprof('-top', `${refusing.base}/heap`);
      expect(code).not.toBe(0);
      expect(output).toContain('server response: 403 Forbidden - Forbidden resource');
    });
  });
});
