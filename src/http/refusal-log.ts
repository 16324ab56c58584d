import { Logger } from '@nestjs/common';
import { textName } from '../format/names.js';
import type { PprofReply } from './reply.js';
import type { PprofRequest } from './request.js';

/** Between two lines, in ms. */
const INTERVAL = 60_000;

/** Logs requests that guards or the default access rules refuse: one a minute, since anybody can send many. */
export class RefusalLog {
  private readonly logger = new Logger('PprofModule');
  private last = -Infinity;
  /** Not logged since then. */
  private others = 0;

  /** @param reply one with a 5xx status is a failure, which is logged elsewhere */
  note(
    { method, url, peer }: Pick<PprofRequest, 'method' | 'url' | 'peer'>,
    { status, body }: PprofReply,
  ): void {
    if (status >= 500) return;
    const now = performance.now();
    if (now - this.last < INTERVAL) {
      this.others++;
      return;
    }
    const path = url.replace(/^\w+:\/\/[^/]*|\?.*/gs, ''); // without the query, which may have a secret
    const more = this.others > 0 ? `; ${this.others} more since the last such line` : '';
    const line = `${method} ${path} for ${peer}: refused with ${status} (${String(body).trim()})${more}`;
    this.logger.warn(textName(line)); // the client has sent a part of it
    this.last = now;
    this.others = 0;
  }
}
