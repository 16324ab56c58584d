import { Injectable } from '@nestjs/common';
import { replyOf } from './go-errors.js';
import { type QueryLike, rawQueryOf } from './go-query.js';
import { complete, type PprofReply, toReply } from './reply.js';
import { noteRequest } from './request.js';
import { Routes } from './routes.js';

/** A request for {@link PprofHandler.serve}. */
export interface PprofHandlerRequest {
  /**
   * The query parameters: a raw query string, `URLSearchParams`, or the object that a framework parsed.
   * @default ''
   */
  readonly query?: QueryLike;
  /**
   * The HTTP method. `HEAD` runs all checks but captures nothing.
   * @default 'GET'
   */
  readonly method?: string;
  /**
   * The body of a `POST` request.
   * @default ''
   */
  readonly body?: string | Uint8Array;
  /**
   * URL of the index page, used in the commands that it shows.
   * @default 'http://localhost:3000/debug/pprof/'
   */
  readonly url?: string;
  /**
   * Name of the client, for the capture's log line and event.
   * @default 'code'
   */
  readonly peer?: string;
  /** Aborting it ends the capture early. */
  readonly signal?: AbortSignal;
}

/**
 * Runs an endpoint and returns its status, headers and body, for use in your own controller. Like Go's exported handlers, it
 * performs no access checks; the caller must.
 *
 * @publicApi
 */
@Injectable()
export class PprofHandler {
  /** @internal */
  constructor(private readonly routes: Routes) {}

  /**
   * Runs one of the endpoints. Errors become replies, so the promise never rejects.
   *
   * @param name name of an endpoint or profile; empty for the index
   *
   * @example
   * const { status, headers, body } = await this.pprof.serve('heap', { query: 'gc=1' });
   */
  async serve(name: string, request: PprofHandlerRequest = {}): Promise<PprofReply> {
    const { peer = 'code' } = request ?? {};
    try {
      const {
        query = '',
        method = 'GET',
        body = '',
        url = 'http://localhost:3000/debug/pprof/',
        signal = new AbortController().signal,
      } = request ?? {};
      const routed = {
        routes: this.routes,
        base: '',
        kind: 'name' as const,
        name,
        method,
        query: rawQueryOf(query),
        body,
        url,
        peer,
        signal,
      };
      return await complete(toReply(await this.routes.serve(noteRequest(routed)), name));
    } catch (error) {
      return replyOf(error, { name, peer });
    }
  }
}
