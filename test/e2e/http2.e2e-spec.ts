import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { NOT_LOCAL } from '../../src/http/access.guard.js';
import { ProfilerService } from '../../src/index.js';
import { type AppSetup, closeApps, startApp, type TestApp } from '../support/app.js';
import { KeyGuard, line, SESAME, UptimeController } from '../support/application-parts.js';
import { brokenRows, SHORT_CONTRACT } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { type Answer, type RequestOptions, type Target } from '../support/http.js';

/** For localhost, until 2126. */
const CERTIFICATE = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgh7xJJokvVSiOmEI5
+mcRHri4cbkwMd0VzJcS7cKj8VqhRANCAAQHrxE6XvHPBUaOD0UJhqptLDA9tcfB
7iBSakiA7eNxI5FtfsOa6yxc33F8P2pSi85ZDb7KmGrKdUghHUdsiJFU
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUCsbObHzefqMF4GoGBGSxWqV5zl0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTIxMjg0M1oYDzIxMjYxMTA1
MjEyODQzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQHrxE6XvHPBUaOD0UJhqptLDA9tcfB7iBSakiA7eNxI5FtfsOa6yxc
33F8P2pSi85ZDb7KmGrKdUghHUdsiJFUo28wbTAdBgNVHQ4EFgQUwn1Y5KyBWdou
ryjrrXdqzzeTiwQwHwYDVR0jBBgwFoAUwn1Y5KyBWdouryjrrXdqzzeTiwQwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgCzE//70g6/8fZZV9rBpfuHL58uQ/RmV0SrzukMSaSu0CIQCX
a+eJEAv2+nEwLSe0W7v1J66U0LIB2IQpF1vGb8h4SA==
-----END CERTIFICATE-----`,
};

type Scheme = 'http' | 'https';

const ADAPTERS: Readonly<Record<Scheme, () => FastifyAdapter>> = {
  http: () => new FastifyAdapter({ http2: true }),
  https: () => new FastifyAdapter({ http2: true, https: CERTIFICATE }),
};
const SCHEMES = Object.keys(ADAPTERS) as Scheme[];

const sessions: ClientHttp2Session[] = [];

afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await closeApps();
});

interface Http2App extends TestApp {
  open(path: string, options?: RequestOptions): ClientHttp2Stream;
  send(target: Target, options?: RequestOptions): Promise<Answer>;
}

async function start(scheme: Scheme, setup: AppSetup = {}): Promise<Http2App> {
  const started = await startApp('fastify', { ...setup, httpAdapter: ADAPTERS[scheme]() });
  const url = started.url.replace(/^https?/, scheme); // which Nest 11 does not know
  const session = connect(url, { ca: CERTIFICATE.cert });
  sessions.push(session.on('error', () => {}));
  const open = (
    path: string,
    { method = 'GET', headers, body, signal }: RequestOptions = {},
  ): ClientHttp2Stream => {
    const stream = session.request(
      { ...headers, ':path': path, ':method': method },
      { signal, endStream: false },
    );
    stream.on('error', () => {}); // the awaited events tell
    stream.end(body);
    return stream;
  };
  const send = async ({ base, path }: Target, options?: RequestOptions): Promise<Answer> => {
    const stream = open(base.slice(url.length) + path, options);
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    const body = Buffer.concat(await stream.toArray());
    return { status: head[':status'], headers: head, body, text: body.toString() };
  };
  return { ...started, base: `${url}/debug/pprof`, open, send };
}

describe.each(SCHEMES)('HTTP/2 by %s', (scheme) => {
  it('follows the contract, and the index has commands with the port', async () => {
    const { app, base, send } = await start(scheme, { controllers: [UptimeController] });
    expect(await brokenRows(base, SHORT_CONTRACT, send)).toEqual([]);
    const { text } = await send({ base, path: '/' });
    expect(text).toContain(`go tool pprof -http=: &#39;${base}/heap?gc=1&#39;</code>`);
    app.get(ProfilerService).newProfile('leases').add({});
    for (const path of ['/leases', '/uptime']) expect((await send({ base, path })).status).toBe(200);
    const [place] = new DecodedProfile((await send({ base, path: '/leases' })).body).places;
    const body = `0x${place!.address.toString(16)}`;
    const symbols = await send({ base, path: '/symbol' }, { method: 'POST', body });
    expect(symbols.text).toBe(`num_symbols: 1\n${body} ${place!.name}\n`);
  });

  it('admits programs on this machine that name it as such', async () => {
    const { base, send } = await start(scheme);
    const path = '/heap';
    const foreign: Record<string, string>[] = [
      { ':authority': 'pprof.example' },
      { host: 'pprof.example' },
      { via: '2 proxy' },
    ];
    for (const headers of foreign)
      expect(await send({ base, path }, { headers })).toMatchObject(line(403, NOT_LOCAL));
    const headers = { ':authority': 'localhost:3000' };
    expect((await send({ base, path }, { headers })).status).toBe(200);
  });

  it('admits whom the guards admit', async () => {
    const { base, send } = await start(scheme, { pprof: { guards: [new KeyGuard('sesame')] } });
    expect(await send({ base, path: '/heap' })).toMatchObject(line(401, 'Unauthorized'));
    expect((await send({ base, path: '/heap' }, { headers: SESAME })).status).toBe(200);
  });

  it('ends a capture when the client cancels its stream, and the connection goes on', async () => {
    const { app, base, open, sampling, send } = await start(scheme);
    const ended = firstValueFrom(app.get(ProfilerService).captures);
    const begun = sampling.begun();
    const stream = open('/debug/pprof/profile?seconds=30');
    await begun;
    stream.close();
    expect(await ended).toMatchObject({ received: false });
    expect(sampling.running.cpu).toBe(0);
    expect((await send({ base, path: '/heap' })).status).toBe(200);
  });

  it('replies to captures when the application closes, and without a connection header', async () => {
    const warnings: unknown[] = [];
    const note = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', note);
    const { base, close, sampling, send } = await start(scheme);
    const begun = sampling.begun();
    const answer = send({ base, path: '/profile?seconds=30' });
    await begun;
    await close();
    const { status, headers, body } = await answer;
    expect([status, headers.connection]).toEqual([200, undefined]);
    expect(new DecodedProfile(body).total('samples')).toBe(100);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});
