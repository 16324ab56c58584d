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

/** What Go's ServeMux replies where it has no handler. */
const NOT_FOUND = { ...text('404 page not found\n'), status: 404 };

/**
 * The port of the option `listen`. The application's server gets its requests, and with them the application's middleware,
 * guards and router; an application without HTTP has none of these, and the endpoints are called here.
 */
@Injectable()
export class SeparatePort implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Where the endpoints are; undefined until the port is open, and without the option. */
  url: string | undefined;
  private readonly logger = new Logger('PprofModule');
  /** Those that are not over, and when they are. */
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

  /** @throws Error that names the address and why it cannot be listened on */
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

  /** Captures have ended in onModuleDestroy. Their replies are waited for, other connections are not. */
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
    if (!listening) await httpAdapter.getInstance<Bootable>().ready?.(); // as Fastify's `inject`: its router throws before
    application.emit('request', request, response);
  }

  /** What Nest does around a controller, with our guard and interceptor. */
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

/** What is used of Fastify's instance. */
interface Bootable {
  ready?(): PromiseLike<unknown>;
}

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The system's own words, without a code. */
function systemMessage(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message;
}
