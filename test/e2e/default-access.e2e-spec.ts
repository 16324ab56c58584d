import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { IN_PRODUCTION, NOT_LOCAL } from '../../src/http/access.guard.js';
import { ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { KeyGuard, line, SESAME, UptimeController } from '../support/application-parts.js';
import { request } from '../support/http.js';

const LOCAL: Record<string, string>[] = [
  {},
  { host: 'localhost' },
  { host: 'LocalHost:3000' },
  { host: '127.8.9.10:80' },
  { host: '[::1]:3000' },
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'same-origin' },
  { origin: 'http://localhost:3000' },
];

const FOREIGN: Record<string, string>[] = [
  { host: 'pprof.example' },
  { host: 'localhost.example' },
  { host: '127.0.0.1.example' },
  { host: '127.0.0.1:80.example' },
  { host: 'localhost:80@example' },
  { host: '[::1].example' },
  { host: '10.0.0.1' },
  { 'x-forwarded-for': '127.0.0.1' },
  { 'X-Forwarded-For': '' },
  { 'x-forwarded-host': 'localhost' },
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded-whatever': '1' },
  { forwarded: 'for=127.0.0.1' },
  { via: '1.1 proxy' },
  { 'x-real-ip': '127.0.0.1' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': '' },
];

const PATHS = ['/cmdline', '/', '', '/heap', '/nope', '/uptime', '/%zz'];

const TRUSTS_PROXIES: AppSetup = {
  configure: (app) =>
    (app.getHttpAdapter().getInstance() as { set?(...args: unknown[]): void }).set?.('trust proxy', true),
};

describe.each(ADAPTERS)('a module without guards on %s', (adapter) => {
  describe('outside of production', () => {
    let base: string;
    beforeAll(async () => {
      ({ base } = await startApp(adapter, { controllers: [UptimeController] }));
    });
    afterAll(closeApps);

    it.each(LOCAL)('admits a program on this machine: %j', async (headers) => {
      expect((await request(`${base}/cmdline`, { headers })).status).toBe(200);
    });

    it.each(FOREIGN)('refuses everybody else with 403 that names the option: %j', async (headers) => {
      for (const path of PATHS) {
        const answer = await request({ base, path }, { headers });
        expect(answer).toMatchObject(line(403, NOT_LOCAL));
        expect(answer.headers['x-go-pprof']).toBe('1');
      }
      expect(NOT_LOCAL).toContain('set the option "guards"');
    });
  });

  describe('with an application of its own', () => {
    const { NODE_ENV } = process.env;
    afterEach(async () => {
      process.env.NODE_ENV = NODE_ENV;
      await closeApps();
    });

    it("uses the socket's address, although the application trusts headers of proxies", async () => {
      const { base } = await startApp(adapter, TRUSTS_PROXIES);
      const headers = { 'x-forwarded-for': '127.0.0.1' };
      expect((await request(`${base}/heap`, { headers })).status).toBe(403);
    });

    it('refuses everybody in production, by NODE_ENV at boot', async () => {
      process.env.NODE_ENV = 'production';
      const { base } = await startApp(adapter, { controllers: [UptimeController] });
      process.env.NODE_ENV = NODE_ENV;
      for (const path of PATHS) expect(await request({ base, path })).toMatchObject(line(403, IN_PRODUCTION));
      expect(IN_PRODUCTION).toContain('Set the option "guards"');
    });

    it('once it has guards, leaves the decision to them alone, in production too', async () => {
      process.env.NODE_ENV = 'production';
      const { base } = await startApp(adapter, { pprof: { guards: [new KeyGuard('sesame')] } });
      const foreign = {
        host: 'pprof.example',
        'x-forwarded-for': '10.0.0.1',
        'sec-fetch-site': 'cross-site',
      };
      expect((await request(`${base}/heap`, { headers: { ...foreign, ...SESAME } })).status).toBe(200);
      expect((await request(`${base}/heap`, { headers: { host: 'localhost' } })).status).toBe(401);
    });
  });
});
