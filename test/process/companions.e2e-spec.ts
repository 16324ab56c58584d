import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

// In processes of their own: Jest on Node 20 cannot load these packages.

describe.each(['express', 'fastify'])('@nestjs/throttler as a global guard on %s', (ADAPTER) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('throttled.mjs', { env: { ADAPTER } });
  });
  afterAll(() => TestProcess.stopAll());

  it('limits requests to the endpoints with 429 as text', async () => {
    expect((await fetch(app.pprof('cmdline'))).status).toBe(200);
    const refused = await fetch(app.pprof('cmdline'));
    expect(refused.status).toBe(429);
    expect(refused.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(refused.headers.get('x-go-pprof')).toBe('1');
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await refused.text()).toBe('ThrottlerException: Too Many Requests\n');
  });

  it('does not limit the endpoints with decorators: [SkipThrottle()]', async () => {
    const url = app.pprof('cmdline', app.urls[1]);
    for (let i = 0; i < 3; i++) expect((await fetch(url)).status).toBe(200);
  });
});

describe("Fastify's inject", () => {
  afterAll(() => TestProcess.stopAll());

  it('gets the same replies, though it bypasses the HTTP server, and is in flight until then', async () => {
    const { url } = await startWorkload('inject.mjs', { env: { ADAPTER: 'fastify' } });
    const answers = await fetch(`${url}/inject`, { method: 'POST' });
    expect(await answers.json()).toEqual([
      [200, 'application/octet-stream'],
      [400, 'text/plain; charset=utf-8'],
      [400, 'text/plain; charset=utf-8'],
      [200, 'application/octet-stream'],
      [200, 'application/octet-stream'],
      [200, 'text/html; charset=utf-8'],
      [307, 'text/plain; charset=utf-8'],
      [404, 'text/plain; charset=utf-8'],
    ]);
    const nested = await fetch(`${url}/nested`, { method: 'POST' });
    const outer = 'POST /nested WorkloadController.nested';
    expect(await nested.json()).toEqual([[outer, 'POST /inFlight WorkloadController.inFlight'], [outer]]);
  });
});
