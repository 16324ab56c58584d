import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Duplex, Stream } from 'node:stream';
import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../pprof.constants.js';
import { notTold } from '../profiling/framework-regions.js';
import { RequestsInFlight } from '../profiling/requests-in-flight.js';
import { rawRequest, rawResponse } from './response.js';
import { watchedBy, WatchedRequest } from './watched-request.js';

/**
 * Tells `RequestsInFlight` of the application's requests: of their begin as a listener of the HTTP server, of their
 * handler as the first of the global guards, which lets everything pass, and of their end by the response's `close`.
 * While nobody observes, what the connections of HTTP/1 are at is told when somebody asks.
 *
 * A request that comes past that listener (Fastify has a server of its own for each further address of `localhost`)
 * begins at the guard. One without a connection (Fastify's `inject`, serverless adapters) does not begin at all: nothing
 * would tell its end.
 */
@Injectable()
export class RequestWatch implements CanActivate, OnModuleInit, OnModuleDestroy {
  private server: Server | undefined;

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly requests: RequestsInFlight,
    private readonly host: HttpAdapterHost,
    config: ApplicationConfig,
  ) {
    // Before Nest makes the routes, and before other guards are added: it is known then what these wait for.
    // An application without HTTP has null for an adapter, one of @nestjs/testing has none yet.
    if (options.enabled && host.httpAdapter !== null) config.addGlobalGuard(this);
    notTold(this);
  }

  onModuleInit(): void {
    const server = this.host.httpAdapter?.getHttpServer?.() as Server | undefined;
    if (!this.options.enabled || typeof server?.prependListener !== 'function') return;
    this.server = server;
    server.prependListener('request', this.listener);
  }

  onModuleDestroy(): void {
    // The listener stays until the server is closed: requests may still come.
    this.server?.once('close', () => this.server?.off('request', this.listener));
  }

  canActivate(context: ExecutionContext): true {
    if (context.getType() === 'http') this.note(context);
    return true;
  }

  private readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (!watchedBy(request)) this.begin(request, response); // else another module has it
  };

  private note(context: ExecutionContext): void {
    const given: unknown = context.getArgByIndex(0);
    if (!isObject(given)) return; // some call HTTP what is none: it is the default of ExternalContextCreator
    const request = rawRequest(given);
    const watched = watchedBy(request) ?? this.beginLate(request, context.getArgByIndex(1));
    if (!watched || watched.ended) return;
    watched.context = context;
    if (isTold(watched)) this.requests.route(watched);
  }

  private beginLate(request: IncomingMessage, answer: unknown): WatchedRequest | undefined {
    const response = isObject(answer) ? rawResponse(answer) : undefined;
    return response instanceof Stream && !isClosed(response) ? this.begin(request, response) : undefined;
  }

  private begin(request: IncomingMessage, response: ServerResponse): WatchedRequest | undefined {
    const connection: Connection | undefined = request.socket;
    if (!connection?.[ASKED] && !(connection instanceof Duplex)) return undefined;
    const watched = new WatchedRequest(request, response);
    if (this.requests.isObserved || responseOn(connection) !== response)
      this.tell(watched, request, response);
    else this.askLater(connection);
    return watched;
  }

  /** What a connection is at is not told before somebody asks: until then it costs no listener, and no place in the set. */
  private askLater(connection: Connection): void {
    if (connection[ASKED]) return;
    connection[ASKED] = true;
    const forget = this.requests.addSource(() => {
      const response = responseOn(connection);
      const watched = response && watchedBy(response.req);
      if (watched && !isTold(watched) && !isClosed(response)) this.tell(watched, response.req, response);
    });
    connection.once('close', forget);
  }

  private tell(watched: WatchedRequest, request: IncomingMessage, response: ServerResponse): void {
    const kept = this.requests.begin(watched);
    whenClosed(request, response, () => {
      if (watched.ended) return;
      this.requests.end(watched);
      watched.end(kept);
    });
  }
}

/** A symbol of the connection, which costs less than a set of them. */
const ASKED = Symbol('nestjs-pprof/asked');

/** One of HTTP/1 has the response that it is at, which Node needs to end it; those that wait for their turn it has not. */
interface Connection extends Duplex {
  _httpMessage?: ServerResponse | null;
  [ASKED]?: true;
}

function responseOn({ _httpMessage: response }: Connection): ServerResponse | undefined {
  return response ?? undefined;
}

function isTold({ place }: WatchedRequest): boolean {
  return place >= 0;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** HTTP/2 takes the socket from a response that is closed. */
function isClosed({ destroyed, socket }: ServerResponse): boolean {
  return destroyed || socket === undefined;
}

/** `on`, since `once` costs more. One that waits for its turn on the connection (pipelining) has no socket yet. */
function whenClosed({ socket }: IncomingMessage, response: ServerResponse, end: () => void): void {
  response.on('close', end);
  if (response.socket) return;
  const waiting = waitingOn(socket);
  waiting.add(end);
  response.on('close', () => waiting.delete(end));
}

/** Ends of requests that wait for their turn, by connection. */
const waitingEnds = new WeakMap<Duplex, Set<() => void>>();

/** Node 20 and 22 do not close a response that waits for its turn when the connection is lost; later ones do. */
function waitingOn(connection: Duplex): Set<() => void> {
  const known = waitingEnds.get(connection);
  if (known) return known;
  const ends = new Set<() => void>();
  waitingEnds.set(connection, ends);
  connection.once('close', () => ends.forEach((end) => end()));
  return ends;
}
