import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PprofMount } from './mount.js';

/** A symbol of the request: each one of the application's is asked for it, and a `WeakMap` takes longer. */
const MOUNT = Symbol('nestjs-pprof/mount');
interface Marked {
  [MOUNT]?: PprofMount;
}

/** The module whose own port a request has come to; undefined for those of the application's. */
export function mountOfPort(request: IncomingMessage): PprofMount | undefined {
  return (request as Marked)[MOUNT];
}

/**
 * A port of their own for the endpoints: the option `listen`. Its requests are handed to the application's server, so
 * that they go through the same guards and the same router.
 */
@Injectable()
export class OwnPort implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;
  private readonly responses = new Set<ServerResponse>();

  constructor(
    private readonly mount: PprofMount,
    private readonly host: HttpAdapterHost,
  ) {}

  /** @throws Error if the port is in use, which fails the boot */
  async onApplicationBootstrap(): Promise<void> {
    const { listen, path } = this.mount;
    const application = this.host.httpAdapter?.getHttpServer?.() as Server | undefined;
    if (!listen || !application) return;
    const server = createServer((request: IncomingMessage, response: ServerResponse) => {
      (request as Marked)[MOUNT] = this.mount;
      this.responses.add(response);
      response.once('close', () => this.responses.delete(response));
      application.emit('request', request, response);
    });
    const { host, port } = listen;
    try {
      server.listen(port, host);
      await once(server, 'listening');
    } catch (cause) {
      const { message } = cause as Error;
      throw new Error(`PprofModule: the option "listen" cannot be had: ${message}`, { cause });
    }
    this.server = server;
    const { port: actual } = server.address() as AddressInfo;
    const shown = host.includes(':') ? `[${host}]` : host;
    new Logger('PprofModule').log(`pprof is at http://${shown}:${actual}/${path}/`);
  }

  /** Who has asked is answered first; who has not, or not yet in full, is not waited for. */
  async onApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = undefined;
    const closed = once(server, 'close');
    server.close();
    const underWay = [...this.responses].filter(({ req }) => req.complete);
    await Promise.all(underWay.map((response) => new Promise((resolve) => response.once('close', resolve))));
    server.closeAllConnections();
    await closed;
  }
}
