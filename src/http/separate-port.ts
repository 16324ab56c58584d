import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import {
  type BeforeApplicationShutdown,
  ForbiddenException,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { defer } from 'rxjs';
import { AccessGuard } from './access.guard.js';
import { replyToRefused } from './error.filter.js';
import { ReplyInterceptor } from './reply.interceptor.js';
import { takeOver, text, whenClosed, writeReply } from './reply.js';
import type { RoutedRequest } from './request.js';
import { RequestTracker } from './request-tracker.js';
import { PprofRouter } from './router.js';
import { httpServerOf, Routes } from './routes.js';

/** The reply of Go's ServeMux if there is no handler. */
const NOT_FOUND = { ...text('404 page not found\n'), status: 404 };

/**
 * The port of the option `listen`. Requests are passed on to the application's server, so its middleware, guards and router
 * apply. In an application without HTTP, the endpoints are called directly.
 */
@Injectable()
export class SeparatePort implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Where the endpoints are; undefined until the port is open, and without the option. */
  url: string | undefined;
  private readonly logger = new Logger('PprofModule');
  /** Open responses, each with a promise that resolves when it is closed. */
  private readonly responses = new Map<ServerResponse, Promise<unknown>>();
  private server: Server | undefined;

  constructor(
    private readonly routes: Routes,
    private readonly router: PprofRouter,
    private readonly tracker: RequestTracker,
    private readonly guard: AccessGuard,
    private readonly replies: ReplyInterceptor,
    private readonly host: HttpAdapterHost,
  ) {}

  /** @throws Error with the address and the reason if it cannot listen */
  async onApplicationBootstrap(): Promise<void> {
    const { listen, path } = this.routes;
    if (!listen) return;
    const server = createServer(this.listener).unref(); // the application decides how long the process lives
    try {
      await once(server.listen(listen), 'listening');
    } catch (cause) {
      const address = addressOf(listen.host, listen.port);
      throw new Error(`PprofModule: cannot listen on ${address} (option "listen"): ${systemMessage(cause)}`, {
        cause,
      });
    }
    server.on('error', (error) => this.logger.error(error)); // of one connection
    this.server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${addressOf(listen.host, port)}/${path}/`;
  }

  /** Waits for replies in progress and closes other connections. Captures have ended in onModuleDestroy. */
  async beforeApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server) return;
    const closed = once(server.close(), 'close');
    const requested = [...this.responses].filter(([{ req }]) => req.complete);
    await Promise.all(requested.map(([, over]) => over));
    server.closeAllConnections();
    await closed;
  }

  private readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    const over = whenClosed(response).then(() => this.responses.delete(response));
    this.responses.set(response, over);
    this.tracker.track(request, response);
    void this.reply(request, response).catch((error: unknown) =>
      writeReply(takeOver(response), replyToRefused(request, error)),
    );
  };

  private async reply(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const routed = this.router.note(request, response);
    const application = httpServerOf(this.host);
    if (!routed) return writeReply(takeOver(response), NOT_FOUND);
    if (!application) return this.serve(routed, request, response);
    const { httpAdapter, listening } = this.host;
    if (!listening) await httpAdapter.getInstance<Bootable>().ready?.(); // Fastify's router throws before it is ready
    application.emit('request', request, response);
  }

  /** Runs our guard and interceptor around the endpoint, as Nest does for a controller. */
  private async serve(
    routed: RoutedRequest,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { routes } = this;
    const controller = routes.controllerFor(routed) ?? routes.profiles;
    const context = new ExecutionContextHost([request, response], controller, controller.prototype.serve);
    if (!(await this.guard.canActivate(context))) throw new ForbiddenException('Forbidden resource');
    this.replies.intercept(context, { handle: () => defer(() => routes.serve(request)) });
  }
}

/** The used part of Fastify's instance. */
interface Bootable {
  ready?(): PromiseLike<unknown>;
}

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The system's error message, without the code. */
function systemMessage(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
}
