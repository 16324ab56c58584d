import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PprofMount } from './mount.js';

const mounts = new WeakMap<IncomingMessage, PprofMount>();

/** Whether a request has come to a module's own port. */
export function isFromPort(request: IncomingMessage, mount: PprofMount): boolean {
  return mounts.get(request) === mount;
}

/**
 * A port of their own for the endpoints: the option `listen`. Its requests are handed to the application's server, so
 * that they go through the same guards and the same router.
 */
@Injectable()
export class OwnPort implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | undefined;

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
      mounts.set(request, this.mount);
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

  /** Answers that are under way are finished. */
  async onApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = undefined;
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    await closed;
  }
}
