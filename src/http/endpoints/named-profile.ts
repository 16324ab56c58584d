import { Get, Inject, Req } from '@nestjs/common';
import { Captures } from '../../profiling/capture.js';
import { DeltaCollector } from '../../profiling/delta.js';
import type { NamedProfile } from '../../profiling/named-profile.js';
import { GO_PROFILES, ProfileRegistry } from '../../profiling/profile-registry.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { RepliedByPprof } from '../endpoint.decorator.js';
import { goException } from '../go-errors.js';
import { atoi, checkDuration, fileOf, formatOf, formValue, parseInt64 } from '../go-query.js';
import { attachment, type PprofReply, text } from '../reply.js';
import { type PprofRequest, pprofRequest } from '../request.js';

/**
 * Go's `Handler(name)`: every named profile, in all of its forms. The order of the checks is Go's. Nest maps it at Go's
 * names; the router leads others here too.
 */
@RepliedByPprof(...GO_PROFILES)
export class NamedProfileEndpoint {
  constructor(
    private readonly registry: ProfileRegistry,
    private readonly deltas: DeltaCollector,
    private readonly captures: Captures,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  @Get()
  serve(@Req() incoming: object): Promise<PprofReply> {
    const request = pprofRequest(incoming);
    const profile = this.registry.lookup(request.name);
    if (!profile) throw goException('unknownProfile');
    const seconds = formValue(request.query, 'seconds');
    return seconds === '' ? this.snapshot(profile, request) : this.delta(profile, seconds, request);
  }

  private async snapshot(
    profile: NamedProfile,
    { method, query, peer, signal }: PprofRequest,
  ): Promise<PprofReply> {
    const { name, devToolsFormat } = profile;
    const format = formatOf(query, devToolsFormat);
    const gc = atoi(formValue(query, 'gc')) > 0;
    const debug = atoi(formValue(query, 'debug'));
    const isText = debug !== 0;
    const filename = fileOf(name, format);
    if (method === 'HEAD') return isText ? text('') : attachment(filename);
    const body = await this.captures.encoded(
      { profile: name, peer, signal },
      () => profile.take({ gc }),
      (captured) => {
        if (isText) return captured.encodeText(debug);
        return format ? captured.encodeAs(format) : captured.encode();
      },
    );
    return isText ? text(body) : attachment(filename, body);
  }

  private async delta(
    profile: NamedProfile,
    asked: string,
    { method, query, peer, signal }: PprofRequest,
  ): Promise<PprofReply> {
    const seconds = parseInt64(asked) ?? 0;
    if (seconds <= 0) throw goException('deltaSeconds');
    if (!profile.hasWindows) throw goException('deltaUnsupported');
    checkDuration(seconds, this.options);
    if (atoi(formValue(query, 'debug')) !== 0) throw goException('deltaAndDebug');
    const format = formatOf(query); // DevTools have none for a window
    const name = `${profile.name}-delta`;
    const filename = fileOf(name, format);
    if (method === 'HEAD') return attachment(filename);
    const body = await this.captures.encoded(
      { profile: name, peer, signal },
      () => this.deltas.take(profile, { seconds, signal }),
      (captured) => (format ? captured.encodeAs(format) : captured.encode()),
    );
    return attachment(filename, body);
  }
}
