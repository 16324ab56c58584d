import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { line } from '../support/application-parts.js';
import { TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

describe.each(ADAPTERS)(
  'requests that bypass the HTTP server, as in serverless adapters, on %s',
  (adapter) => {
    const servers: Server[] = [];
    afterEach(async () => {
      for (const server of servers.splice(0)) await once(server.close(), 'close');
      await closeApps();
    });

    /** A server of its own that hands requests to the adapter's router, as Fastify's `inject` and Lambda adapters do. */
    const startBypassed = async (setup: AppSetup = {}): Promise<string> => {
      const { app } = await startApp(adapter, setup);
      const instance = app.getHttpAdapter().getInstance() as RequestListener & { routing?: RequestListener };
      const server = createServer(instance.routing ?? instance).listen(0, '127.0.0.1');
      servers.push(server);
      await once(server, 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/debug/pprof`;
    };

    it('get the same responses', async () => {
      const base = await startBypassed();
      const heap = await request(`${base}/heap`);
      expect(heap.status).toBe(200);
      expect(heap.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="heap"',
        'cache-control': 'no-store, no-transform',
      });
      expect(new DecodedProfile(heap.body).flat('inuse_space', 'hold')).toBe(2 ** 21);
      expect(await request(`${base}/profile?seconds=9999`)).toMatchObject(line(400, TEXTS.tooLong(300)));
      for (const name of ['HEAP', 'heap/', 'nope'])
        expect((await request(`${base}/${name}`)).status).toBe(404);
    });

    it('have the body that a parser of the application has read, or none has', async () => {
      const base = await startBypassed();
      const { body } = await request(`${base}/heap`);
      const { address, name } = new DecodedProfile(body).places[0]!;
      const hex = `0x${address.toString(16)}`;
      const headers = { 'content-type': 'text/plain' }; // which Fastify reads and Express does not
      expect(await request(`${base}/symbol`, { method: 'POST', body: hex, headers })).toMatchObject({
        status: 200,
        text: `num_symbols: 1\n${hex} ${name}\n`,
      });
    });

    it('meet the same guards', async () => {
      const base = await startBypassed({ pprof: { guards: [{ canActivate: () => false }] } });
      for (const path of ['/heap', '/', '/HEAP', '//heap', '/heap/', '/h%65ap']) {
        const { status, body } = await request({ base, path });
        expect([path, [403, 404].includes(status), body.length < 200]).toEqual([path, true, true]);
      }
      expect(await request(`${base}/heap`)).toMatchObject(line(403, 'Forbidden resource'));
      const open = await startBypassed();
      const foreign = await request(`${open}/heap`, { headers: { 'x-forwarded-for': '127.0.0.1' } });
      expect(foreign.status).toBe(403);
    });
  },
);
