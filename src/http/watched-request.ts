import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import { methodNameOf } from '../profiling/method-name.js';
import type {
  RequestHandler,
  RequestPhase,
  RequestUnderWay,
  TrackedRequest,
} from '../profiling/requests-in-flight.js';
import { exchangeOf } from './exchange.js';

/** What is used of Express's request and of Fastify's. */
interface Routed {
  readonly baseUrl?: string;
  readonly route?: { readonly path?: unknown };
  readonly routeOptions?: { readonly url?: string };
}

/** A symbol of the request, which costs less than a `WeakMap` on each. */
const WATCHED = Symbol('nestjs-pprof/watched');
interface Marked {
  [WATCHED]?: WatchedRequest;
}

/** What a request of Node's is watched by. */
export function watchedBy(request: object): WatchedRequest | undefined {
  return (request as Marked)[WATCHED];
}

/** A request as it is, read when somebody asks: all that each of them costs is this object. */
export class WatchedRequest implements TrackedRequest {
  readonly startedMs = performance.now();
  readonly method: string;
  place = -1;
  clientGone = false;
  /** Nest's, once it has found the handler. Before, Express takes a middleware's path for the route. */
  context: ExecutionContext | undefined = undefined;
  private response: ServerResponse | undefined;
  /** What it was, once request and response are let go. */
  private last: Pick<RequestUnderWay, 'route' | 'handler'> | undefined = undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.method = request.method ?? 'GET';
    this.response = response;
    (request as Marked)[WATCHED] = this;
  }

  get route(): string | undefined {
    return this.context ? routeOf(this.context) : this.last?.route;
  }

  get handler(): RequestHandler | undefined {
    return this.context ? handlerOf(this.context) : this.last?.handler;
  }

  get phase(): RequestPhase {
    const { response } = this;
    if (!response) return 'ended';
    if (response.writableEnded) return 'sending';
    if (response.headersSent) return 'answering';
    if (this.context) return 'handling';
    return response.req.complete ? 'routing' : 'receiving';
  }

  get status(): number | undefined {
    return this.response?.headersSent ? this.response.statusCode : undefined;
  }

  get ended(): boolean {
    return this.response === undefined;
  }

  /** @param kept somebody may keep this for long, and must not keep request and response with it */
  end(kept: boolean): void {
    this.clientGone = this.response !== undefined && isLost(this.response);
    this.response = undefined;
    if (!kept) return;
    const { route, handler } = this;
    this.last = { route, handler };
    this.context = undefined;
  }
}

/**
 * Node finishes a response when the connection is lost with half of it, too. HTTP/2, where a response that has ended has
 * no socket, does not tell how much was sent.
 */
function isLost({ socket, writableEnded, writableFinished, req }: ServerResponse): boolean {
  return socket === undefined ? !writableEnded : !writableFinished || req.socket.destroyed;
}

/** Where the module has a port of its own, its real route is nobody's business. */
function routeOf(context: ExecutionContext): string | undefined {
  const request = context.getArgByIndex<Routed>(0);
  const { baseUrl = '', route, routeOptions } = request;
  const pattern = route?.path === undefined ? routeOptions?.url : baseUrl + String(route.path);
  const { mount } = exchangeOf(request) ?? {};
  return mount ? pattern?.replace(mount.route, mount.path) : pattern;
}

function handlerOf(context: ExecutionContext): RequestHandler {
  const owner = context.getClass();
  const fn = context.getHandler() as RequestHandler['fn'];
  return { className: owner.name, method: methodNameOf(owner.prototype, fn), fn };
}
