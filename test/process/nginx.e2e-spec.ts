import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage, type RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith, startWorkload, TestProcess } from '../support/process.js';

const NGINX = '/usr/sbin/nginx';
const CREDENTIALS = 'scraper:s3cret';

/** What operators write into `location /`. */
const PROXIES = {
  stock: '',
  forwardedFor: 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
  realIp: 'proxy_set_header X-Real-IP $remote_addr;',
  host: 'proxy_set_header Host $host;',
};

/** How a request reaches the application: `direct` is without nginx. */
type Way = keyof typeof PROXIES | 'direct';

const WAYS: readonly Way[] = [...(Object.keys(PROXIES) as (keyof typeof PROXIES)[]), 'direct'];

/** The applications behind nginx. */
const APPS = {
  closed: { ADAPTER: 'express', NODE_ENV: 'production' },
  local: { ADAPTER: 'fastify', NODE_ENV: 'development' },
  guarded: { ADAPTER: 'express', NODE_ENV: 'production', BASIC_AUTH: CREDENTIALS },
};
type AppName = keyof typeof APPS;

describeWith(NGINX, ['-v'])('behind nginx on the same machine', () => {
  let directory: string;
  const urls: Partial<Record<AppName, string>> = {};

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-nginx-'));
    await Promise.all(
      Object.entries(APPS).map(async ([name, env]) => {
        const app = await startWorkload('heap.mjs', { env: { SAMPLER: 'inspector', ...env } });
        urls[name as AppName] = app.url;
      }),
    );
    await startNginx();
  });
  afterAll(async () => {
    await TestProcess.stopAll();
    rmSync(directory, { recursive: true });
  });

  describe('an application in production without guards', () => {
    it.each(WAYS)('rejects every request with 403 and names the option that opens it: %s', async (way) => {
      expect(await ask('closed', way)).toEqual({
        status: 403,
        text: expect.stringContaining('Set the option "guards"'),
      });
    });
  });

  describe('an application in development without guards', () => {
    it('accepts a direct request', async () => {
      expect((await ask('local', 'direct')).status).toBe(200);
    });

    it.each<{ title: string; way: Way; host?: string }>([
      { title: 'by another name', way: 'direct', host: 'app.example.com' },
      { title: 'through a proxy that sets X-Forwarded-For', way: 'forwardedFor' },
      { title: 'through a proxy that sets X-Real-IP', way: 'realIp' },
      { title: 'through a proxy that keeps Host', way: 'host', host: 'app.example.com' },
    ])('rejects a request $title with 403', async ({ way, host }) => {
      expect(await ask('local', way, { ...(host && { host }) })).toEqual({
        status: 403,
        text: expect.stringContaining('pprof is closed to all but programs on this machine'),
      });
    });
  });

  describe('an application in production with a guard', () => {
    it.each(WAYS)('leaves the decision to the guard: %s', async (way) => {
      const authorization = `Basic ${Buffer.from(CREDENTIALS).toString('base64')}`;
      expect((await ask('guarded', way)).status).toBe(403);
      expect((await ask('guarded', way, { authorization })).status).toBe(200);
    });
  });

  /** Of the server that proxies to an application in that way. No TCP port, which another program might take. */
  function socketOf(app: AppName, way: Way): string {
    return join(directory, `${app}-${way}`);
  }

  async function startNginx(): Promise<void> {
    const servers = Object.entries(urls).flatMap(([app, url]) =>
      Object.entries(PROXIES).map(
        ([way, line]) => `
        server {
          listen unix:${socketOf(app as AppName, way as Way)};
          location / {
            proxy_pass ${url};
            ${line}
          }
        }`,
      ),
    );
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${directory}/${kind};`,
    );
    const config = join(directory, 'nginx.conf');
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
  }

  async function ask(
    app: AppName,
    way: Way,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; text: string | undefined }> {
    const target: RequestOptions =
      way === 'direct' ? { port: new URL(urls[app]!).port } : { socketPath: socketOf(app, way) };
    const outgoing = get({ host: '127.0.0.1', path: '/debug/pprof/heap', headers, agent: false, ...target });
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const isText = answer.headers['content-type']?.startsWith('text/plain');
    return {
      status: answer.statusCode!,
      text: isText ? Buffer.concat(chunks).toString() : undefined,
    };
  }
});
