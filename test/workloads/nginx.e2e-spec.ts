import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, runGoPprof, topRows } from '../support/go.js';
import { describeNginx, startNginx } from '../support/nginx.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

const PATH = '/debug/pprof/heap';
const CREDENTIALS = 'scraper:s3cret';

/** What operators write into `location /`, and what the application sees then. */
const PROXIES = {
  stock: '',
  forwardedFor: 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
  realIp: 'proxy_set_header X-Real-IP $remote_addr;',
  host: 'proxy_set_header Host $host;',
};
type Proxy = keyof typeof PROXIES;

describeNginx('behind nginx on the same machine', () => {
  describe.each(['express', 'fastify'])('%s', (adapter) => {
    let app: Workload;
    let proxies: Record<Proxy, string>;
    let direct: string;

    const startBehindNginx = async (env: Record<string, string>): Promise<void> => {
      app = await startWorkload('heap.mjs', { env: { ADAPTER: adapter, SAMPLER: 'inspector', ...env } });
      direct = app.url;
      const servers = Object.entries(PROXIES).map(([proxy, line]) => [
        proxy,
        `location / { proxy_pass ${direct}; ${line} }`,
      ]);
      proxies = await startNginx(Object.fromEntries(servers) as Record<Proxy, string>);
    };

    describe('in production without guards', () => {
      beforeAll(() => startBehindNginx({ NODE_ENV: 'production' }));
      afterAll(() => TestProcess.stopAll());

      it.each([...(Object.keys(PROXIES) as Proxy[]), 'direct' as const])(
        'refuses everyone, and says what to do: %s',
        async (way) => {
          const answer = await ask(way === 'direct' ? direct : proxies[way]);
          expect(answer).toEqual({
            status: 403,
            type: expect.stringMatching(/^text\/plain/),
            body: expect.stringContaining('Set the option "guards"'),
          });
        },
      );

      describeGo('go tool pprof', () => {
        it('prints the refusal', async () => {
          const { code, output } = await runGoPprof('-top', `${proxies.stock}${PATH}`);
          expect(code).not.toBe(0);
          expect(output).toContain(
            'server response: 403 Forbidden - pprof is closed: NODE_ENV is production',
          );
        });
      });
    });

    describe('in development without guards', () => {
      beforeAll(() => startBehindNginx({ NODE_ENV: 'development' }));
      afterAll(() => TestProcess.stopAll());

      it('answers who asks directly', async () => {
        expect((await ask(direct)).status).toBe(200);
      });

      it.each<{ way: Proxy | 'direct'; host?: string }>([
        { way: 'direct', host: 'app.example.com' },
        { way: 'forwardedFor' },
        { way: 'realIp' },
        { way: 'host', host: 'app.example.com' },
      ])('refuses who asks by another name or through a proxy: $way $host', async ({ way, host }) => {
        expect(await ask(way === 'direct' ? direct : proxies[way], host)).toEqual({
          status: 403,
          type: expect.stringMatching(/^text\/plain/),
          body: expect.stringContaining('pprof is closed to all but programs on this machine'),
        });
      });
    });

    describe('in production with a guard', () => {
      beforeAll(() => startBehindNginx({ NODE_ENV: 'production', BASIC_AUTH: CREDENTIALS }));
      afterAll(() => TestProcess.stopAll());

      it.each(Object.keys(PROXIES) as Proxy[])('leaves the decision to the guard: %s', async (way) => {
        expect((await ask(proxies[way])).status).toBe(403);
        const authorization = `Basic ${Buffer.from(CREDENTIALS).toString('base64')}`;
        expect((await ask(proxies[way], undefined, authorization)).status).toBe(200);
      });

      describeGo('go tool pprof with a password in the address', () => {
        it('reads the heap', async () => {
          await app.post('hold');
          const rows = topRows(await goPprof('-top', withPassword(`${proxies.stock}${PATH}`)));
          expect([...rows.keys()]).toContain('holdObjects');
        });

        it('takes a CPU profile', async () => {
          expect(
            await goPprof('-top', withPassword(`${proxies.stock}/debug/pprof/profile?seconds=1`)),
          ).toMatch(/^Type: cpu$/m);
        });

        it('prints what it gets without the password', async () => {
          const { code, output } = await runGoPprof('-top', `${proxies.stock}${PATH}`);
          expect(code).not.toBe(0);
          expect(output).toContain('server response: 403 Forbidden');
        });
      });
    });
  });
});

function withPassword(url: string): string {
  return url.replace('//', `//${CREDENTIALS}@`);
}

async function ask(
  url: string,
  host?: string,
  authorization?: string,
): Promise<{ status: number; type: string; body: string }> {
  const headers = { ...(host && { host }), ...(authorization && { authorization }) };
  const [answer] = (await once(get(`${url}${PATH}`, { headers }), 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const type = answer.headers['content-type'] ?? '';
  return {
    status: answer.statusCode!,
    type,
    body: type.startsWith('text/') ? Buffer.concat(chunks).toString() : '',
  };
}
