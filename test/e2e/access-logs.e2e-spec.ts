import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ProfilerService } from '../../src/index.js';
import { ADAPTERS, type AdapterName, type AppSetup, closeApps, startApp } from '../support/app.js';
import { UptimeController } from '../support/application-parts.js';
import { request } from '../support/http.js';

/** A request's line, as its client has sent it. */
const SENT = [
  'GET /heap?gc=1',
  'GET /leases?debug=1',
  'GET /h%65ap',
  'GET /l%65ases',
  'GET /uptime',
  'GET /nope',
  'GET /heap/',
  'GET /a%2Fb?x=%zz',
  'GET ',
  'GET /',
  'HEAD /leases',
  'POST /symbol',
  'POST /heap',
  'PUT /nope',
  'PROPFIND /heap',
  'PROPFIND /leases',
  'MKCOL ',
  'GET /%zz?debug=1',
  'GET /%ff',
];

/** Routers refuse these urls, and get the nearest one that they accept. */
const ESCAPED: Readonly<Record<string, string>> = {
  'GET /%zz?debug=1': 'GET /%25zz?debug=1',
  'GET /%ff': 'GET /%25ff',
};

const at = (line: string): string => line.replace(' ', ' /debug/pprof');

type Incoming = IncomingMessage & { originalUrl?: string; raw?: IncomingMessage; path?: string };

/** Reads what morgan and pino-http do, at a request's begin and end; neither is a dependency. */
function accessLog(lines: string[]) {
  return (incoming: Incoming, response: ServerResponse, next: () => void): void => {
    const note = (): unknown => lines.push(`${incoming.method} ${incoming.originalUrl ?? incoming.url}`);
    note();
    response.once('finish', note);
    next();
  };
}

/** A guard that reads what guards do, of Express's request or Fastify's. */
class Reader implements CanActivate {
  readonly lines: string[] = [];
  readonly urls: string[] = [];

  canActivate(context: ExecutionContext): boolean {
    const incoming = context.switchToHttp().getRequest<Incoming>();
    this.lines.push(`${incoming.method} ${incoming.originalUrl}`);
    this.urls.push(`${incoming.method} ${incoming.url}`);
    return true;
  }
}

afterEach(closeApps);

describe.each(ADAPTERS.flatMap((adapter) => [false, true].map((listen) => ({ adapter, listen }))))(
  'on $adapter, with a port of its own: $listen,',
  ({ adapter, listen }) => {
    it('access logs and guards see the method and the path that the client has sent', async () => {
      const middleware: string[] = [];
      const logger: string[] = [];
      const [global, own] = [new Reader(), new Reader()];
      const { base } = await start(adapter, listen, logger, {
        pprof: { guards: [own] },
        controllers: [UptimeController],
        configure: (app) => app.use(accessLog(middleware)).useGlobalGuards(global),
      });
      for (const line of SENT) {
        const [method, path] = line.split(' ') as [string, string];
        await request({ base, path }, { method });
      }
      const routed = SENT.map((line) => at(ESCAPED[line] ?? line));
      const shown = adapter === 'express' ? SENT.map(at) : routed; // Fastify's middleware plugin notes the url itself
      expect(middleware).toEqual(shown.flatMap((line) => [line, line]));
      expect([global.lines, own.lines]).toEqual([shown, shown]);
      expect([global.urls, own.urls]).toEqual([routed, routed]);
      expect(logger).toEqual(adapter === 'fastify' ? routed : []);
    });
  },
);

/** With Fastify's logger, whose lines are at a request's begin. */
async function start(
  adapter: AdapterName,
  listen: boolean,
  logger: string[],
  setup: AppSetup,
): Promise<{ base: string }> {
  const lines: string[] = [];
  const write = (line: string): void => {
    const { req } = JSON.parse(line) as { req?: { method: string; url: string } };
    if (req) logger.push(`${req.method} ${req.url}`);
  };
  const log = (message: unknown): void => void lines.push(String(message));
  const started = await startApp(adapter, {
    ...setup,
    httpAdapter: adapter === 'fastify' ? new FastifyAdapter({ logger: { stream: { write } } }) : undefined,
    pprof: { ...setup.pprof, ...(listen && { listen: { port: 0 } }) },
    options: { logger: { log, warn: log, error: log } },
  });
  started.app.get(ProfilerService).newProfile('leases').add({});
  const port = lines.flatMap((line) => /^Serving (http:\S+)\/ to /.exec(line)?.[1] ?? []);
  return { base: port[0] ?? started.base };
}
