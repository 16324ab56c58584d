import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type Type } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../pprof.options.js';
import {
  type RequestDescription,
  RequestsInFlight,
  type RequestState,
  TrackedRequest,
} from '../profiling/async/requests-in-flight.js';
import { handlerName, noteMethods } from './handler-names.js';
import { routedRequest } from './request.js';

/** Tracks each request until its response has ended. All modules of an application share one table of requests. */
@Injectable()
export class RequestTracker implements OnApplicationBootstrap {
  private readonly forgetMethods: () => void;
  private readonly onSocketClose: (this: EventEmitter) => void;

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly requests: RequestsInFlight,
    discovery: DiscoveryService,
  ) {
    // In the constructor, because Nest creates its routes before it calls lifecycle hooks.
    this.forgetMethods = noteMethods(controllersIn(discovery));
    this.onSocketClose = function () {
      for (const request of requests)
        if (request instanceof HttpRequest && request.isOn(this)) requests.end(request);
    };
  }

  onApplicationBootstrap(): void {
    this.forgetMethods();
  }

  /**
   * Starts to track a request. May be called several times for the same one, since any of several hooks can see it first.
   *
   * @param adapted the adapter's own request object, if it exists yet
   */
  readonly track = (request: IncomingMessage, response: ServerResponse, adapted?: object): void => {
    const { requests } = this;
    const known = Noted.get(response)?.in(requests);
    if (known) return known.adapt(adapted);
    if (!this.options.enabled || response.destroyed) return;
    response.on('close', endRequest);
    if (adapted) response.on('finish', endRequest); // without Node's server, 'close' may not be emitted
    if (request.httpVersionMajor === 1 && response.socket === null) this.watchSocket(request.socket);
    requests.begin(new HttpRequest(requests, request, response, adapted));
  };

  /** A pipelined response that waits for earlier ones is not closed when its connection closes. */
  private watchSocket(socket: unknown): void {
    if (!(socket instanceof EventEmitter) || socket.listenerCount('close', this.onSocketClose)) return;
    socket.on('close', this.onSocketClose);
  }
}

/** Listener for events of a response. */
function endRequest(this: ServerResponse): void {
  for (let request = Noted.get(this); request; request = request.outer) request.table.end(request);
}

function controllersIn(discovery: DiscoveryService): Type[] {
  const types = discovery.getControllers().map(({ metatype }) => metatype);
  return types.filter((type): type is Type => typeof type === 'function');
}

class HttpRequest extends TrackedRequest {
  /** The same request in the table of an outer application that forwards to this one. */
  readonly outer: HttpRequest | undefined;

  constructor(
    readonly table: RequestsInFlight,
    private request: IncomingMessage | undefined,
    private response: ServerResponse | undefined,
    private adapted: object | undefined,
  ) {
    super();
    this.outer = Noted.get(response!);
    Noted.set(response!, this);
  }

  in(table: RequestsInFlight): HttpRequest | undefined {
    return this.table === table ? this : this.outer?.in(table);
  }

  adapt(adapted: object | undefined): void {
    if (!this.hasEnded) this.adapted ??= adapted;
  }

  isOn(socket: object): boolean {
    return this.request?.socket === socket;
  }

  protected describe(): RequestDescription {
    const { request, response, adapted } = this;
    const own = routedRequest(request!);
    const { route, handler } = own ? own.routes.match(own) : matchOf(adapted ?? request!);
    const { method = '' } = request!;
    const status = response!.headersSent ? response!.statusCode : undefined;
    return { method, route, handler, state: stateOf(request!, response!), status, own: own !== undefined };
  }

  protected release(): void {
    this.request = this.response = this.adapted = undefined;
  }
}

/** Returns its argument from the constructor, so that a subclass adds its private fields to that object. */
class Given {
  constructor(object: object) {
    return object;
  }
}

/** Adds a private field to responses, which is faster than a WeakMap. */
class Noted extends Given {
  #request: HttpRequest | undefined;

  static get(response: ServerResponse): HttpRequest | undefined {
    return #request in response ? response.#request : undefined;
  }

  static set(response: ServerResponse, request: HttpRequest): void {
    const noted = #request in response ? response : new Noted(response);
    noted.#request = request;
  }
}

/** The used part of an HTTP/2 request, whose `complete` is true only after its end was read. */
interface Http2Request {
  readonly stream?: { readonly endAfterHeaders: boolean };
}

function stateOf(request: IncomingMessage & Http2Request, { headersSent }: ServerResponse): RequestState {
  if (headersSent) return 'replying';
  return !request.complete && hasBody(request) ? 'receiving' : 'handling';
}

/** With HTTP/1, checks the headers, because Node sets `complete` some turns later. */
function hasBody({ headers, stream }: IncomingMessage & Http2Request): boolean {
  if (stream) return !stream.endAfterHeaders;
  return 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) > 0;
}

type Named = Parameters<typeof handlerName>;

/** The used part of a request of Express or Fastify. */
interface AdaptedRequest {
  readonly baseUrl?: string;
  readonly route?: { readonly path: unknown; readonly stack: readonly { readonly handle: Named[0] }[] };
  readonly routeOptions?: { readonly url?: string; readonly handler: Named[0]; readonly config: Named[1] };
}

function matchOf(request: AdaptedRequest): Pick<RequestDescription, 'route' | 'handler'> {
  const { baseUrl = '', route, routeOptions } = request;
  if (routeOptions) {
    const { url, handler, config } = routeOptions;
    return { route: url, handler: handlerName(handler, config) };
  }
  // A path without a slash is Nest's catch-all route.
  if (typeof route?.path !== 'string' || !route.path.startsWith('/'))
    return { route: undefined, handler: undefined };
  const names = route.stack.map(({ handle }) => handlerName(handle));
  return {
    route: baseUrl && route.path === '/' ? baseUrl : baseUrl + route.path,
    handler: names.find(Boolean),
  };
}
