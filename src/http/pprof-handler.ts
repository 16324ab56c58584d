import { Injectable } from '@nestjs/common';
import { replyOf } from './go-errors.js';
import { type QueryLike, rawQueryOf } from './go-query.js';
import { complete, type PprofReply, toReply } from './reply.js';
import { noteRequest } from './request.js';
import { Routes } from './routes.js';

/** What {@link PprofHandler.serve} needs to know. */
export interface PprofHandlerRequest {
  /**
   * The parameters: a raw query, or what a framework made of it.
   * @default ''
   */
  readonly query?: QueryLike;
  /**
   * `HEAD` makes all checks and captures nothing.
   * @default 'GET'
   */
  readonly method?: string;
  /**
   * The body of a `POST`.
   * @default ''
   */
  readonly body?: string | Uint8Array;
  /**
   * Address of the index, for the commands that it shows.
   * @default 'http://localhost:3000/debug/pprof/'
   */
  readonly url?: string;
  /**
   * Who asks, for the log and the event of a capture.
   * @default 'code'
   */
  readonly peer?: string;
  /** Ends a capture early. */
  readonly signal?: AbortSignal;
}

/**
 * The endpoints as values: status, headers and body, for a controller of one's own. As Go's exported handlers, it performs no
 * access checks; the caller must.
 *
 * @publicApi
 */
@Injectable()
export class PprofHandler {
  /** @internal */
  constructor(private readonly routes: Routes) {}

  /**
   * Serves one of the library's endpoints, errors included: it never rejects.
   *
   * @param name an endpoint or a named profile; empty for the index
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
