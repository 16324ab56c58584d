import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, runGoPprof, topRows } from '../support/go.js';
import { describeWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

const NGINX = '/usr/sbin/nginx';
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

describeWith(NGINX, ['-v'])('behind nginx on the same machine', () => {
  describe.each(['express', 'fastify'])('%s', (adapter) => {
    let app: Workload;
    let proxies: Record<Proxy, string>;
    let direct: string;

    const startBehindNginx = async (env: Record<string, string>): Promise<void> => {
      app = await startWorkload('heap.mjs', { env: { ADAPTER: adapter, SAMPLER: 'inspector', ...env } });
      direct = app.url;
      proxies = await startNginx(direct);
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

  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-nginx-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** One server for each way to proxy. */
  async function startNginx(upstream: string): Promise<Record<Proxy, string>> {
    const ports = await freePorts(Object.keys(PROXIES).length);
    const servers = Object.values(PROXIES).map(
      (line, i) => `
      server {
        listen 127.0.0.1:${ports[i]};
        location / {
          proxy_pass ${upstream};
          ${line}
        }
      }`,
    );
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${directory}/${kind};`,
    );
    const config = join(directory, `${ports[0]}.conf`);
    writeFileSync(
      config,
      `daemon off;
      master_process off;
      pid ${config}.pid;
      error_log stderr notice;
      events {}
      http {
        access_log off;
        ${temporary.join('\n')}
        ${servers.join('\n')}
      }`,
    );
    // nginx does not end with its stdin, as a TestProcess should: a watcher sees to that.
    const run = 'exec 3<&0; { cat <&3; kill $$; } >/dev/null 2>&1 & exec "$0" "$@" 3<&-';
    const nginx = new TestProcess('sh', ['-c', run, NGINX, '-e', 'stderr', '-p', directory, '-c', config]);
    await nginx.printed(/using the "\w+" event method/); // it listens by then
    return Object.fromEntries(
      Object.keys(PROXIES).map((proxy, i) => [proxy, `http://127.0.0.1:${ports[i]}`]),
    ) as Record<Proxy, string>;
  }
});

function withPassword(url: string): string {
  return url.replace('//', `//${CREDENTIALS}@`);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
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
