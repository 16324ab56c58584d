import { PassThrough } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../pprof.constants.js';
import { CaptureLog } from '../profiling/capture-log.js';
import type { CapturedProfile, DevToolsFormat } from '../profiling/captured-profile.js';
import { commandLine } from '../profiling/command-line.js';
import { CPU_RATE, CpuProfiler, SAMPLER_NAMES, type SamplerName } from '../profiling/cpu-profiler.js';
import { DeltaCollector } from '../profiling/delta-collector.js';
import { HoldMeter } from '../profiling/hold-meter.js';
import { ProfileRegistry } from '../profiling/profile-registry.js';
import type { NamedProfile } from '../profiling/profiles/named-profile.js';
import { runSliced } from '../profiling/slices.js';
import { SymbolTable } from '../profiling/symbol-table.js';
import { TRACE_FORMATS, type TraceFormat, Tracer } from '../profiling/tracer.js';
import { INDEX_CSP, indexPage } from '../ui/index-page.js';
import { attachment, html, type PprofAnswer, text } from './answer.js';
import { badValue, goException, tooLong } from './errors.js';
import { answerOf } from './go-error.filter.js';
import { atoi, formValue, parseFloat64, parseInt64, type QueryLike, rawQueryOf } from './go-query.js';
import { PprofMount } from './mount.js';
import { symbolText } from './symbol-query.js';

/** What {@link PprofHandler.serve} is asked. */
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
   * Address of the index, for the commands that it shows.
   * @default 'http://localhost:3000/debug/pprof/'
   */
  readonly url?: string;
  /** The body of a POST, which `symbol` reads. */
  readonly body?: Uint8Array;
  /**
   * Who asks, for the log and the event of a capture.
   * @default 'code'
   */
  readonly peer?: string;
  /** Ends a capture early. */
  readonly signal?: AbortSignal;
}

/** Seconds of a CPU profile where the request names none. */
const DEFAULT_SECONDS = 30;

/** Of a trace. */
const DEFAULT_TRACE_SECONDS = 1;
const TRACE_VIEWER_FORMAT: TraceFormat = 'json';

const NO_BYTES = new Uint8Array();

const IN_CODE = 'code';

/** The index itself, and another name of `symbol`. */
const UNLISTED = new Set(['', 'symbolz']);

const CPU_FORMAT: DevToolsFormat = 'cpuprofile';

/**
 * The endpoints as values: status, headers and body, to answer them in a controller of one's own. As Go's exported
 * handlers, it knows no guards: whoever calls it sees to that.
 *
 * @publicApi
 */
@Injectable()
export class PprofHandler {
  private readonly handlers: Readonly<
    Record<string, (request: PprofHandlerRequest) => PprofAnswer | Promise<PprofAnswer>>
  > = {
    '': (request) => this.index(request),
    cmdline: () => this.cmdline(),
    profile: (request) => this.profile(request),
    symbol: (request) => this.symbol(request),
    symbolz: (request) => this.symbol(request),
    trace: (request) => this.trace(request),
  };

  constructor(
    private readonly mount: PprofMount,
    private readonly cpu: CpuProfiler,
    private readonly tracer: Tracer,
    private readonly deltas: DeltaCollector,
    private readonly symbols: SymbolTable,
    private readonly registry: ProfileRegistry,
    private readonly log: CaptureLog,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  /**
   * Answers an endpoint, errors included: it never rejects. The body of `trace` is a stream, which comes while it goes on.
   *
   * @param name an endpoint or a named profile; empty for the index
   *
   * @example
   * const { status, headers, body } = await this.pprof.serve('heap', { query: 'gc=1' });
   */
  async serve(name: string, request: PprofHandlerRequest = {}): Promise<PprofAnswer> {
    try {
      if (!this.mount.isOn(name)) throw goException('unknownProfile');
      if (Object.hasOwn(this.handlers, name)) return await this.handlers[name]!(request);
      const profile = this.registry.lookup(name);
      if (!profile) throw goException('unknownProfile');
      return await this.named(profile, request);
    } catch (error) {
      return answerOf(error);
    }
  }

  private index({ url = 'http://localhost:3000/debug/pprof/' }: PprofHandlerRequest): PprofAnswer {
    const own = this.registry
      .profiles()
      .filter(({ name }) => !this.mount.endpoint(name) && this.mount.isOn(name));
    const rows = [...this.mount.endpoints, ...own]
      .filter(({ name }) => !UNLISTED.has(name))
      .map(({ name, description }) => {
        const named = this.registry.lookup(name);
        const devToolsFormat = name === 'profile' ? CPU_FORMAT : named?.devToolsFormat;
        return {
          name,
          description,
          count: named?.count(),
          devToolsFormat,
          viewerFormat: name === 'trace' ? TRACE_VIEWER_FORMAT : undefined,
          hint: named?.hint,
          hasDump: named?.hasDump,
        };
      });
    return html(indexPage(url, rows), INDEX_CSP);
  }

  private cmdline(): PprofAnswer {
    const { cmdline } = this.options;
    return text(commandLine(typeof cmdline === 'object' ? cmdline.redact : []).join('\0'));
  }

  private async profile({
    query = '',
    method,
    signal,
    peer = IN_CODE,
  }: PprofHandlerRequest): Promise<PprofAnswer> {
    const parameters = rawQueryOf(query);
    const asked = parseInt64(formValue(parameters, 'seconds')) ?? 0;
    const seconds = asked > 0 ? asked : Math.min(DEFAULT_SECONDS, this.options.maxSeconds);
    this.checkDuration(seconds);
    const hz = this.hz(formValue(parameters, 'hz'));
    const format = formatOf(parameters, CPU_FORMAT);
    const sampler = samplerOf(parameters) ?? (format && 'inspector'); // which knows when each sample was
    const gc = atoi(formValue(parameters, 'gc')) > 0;
    if (method === 'HEAD') return download('profile', format, NO_BYTES);
    const take = (): Promise<CapturedProfile> => this.cpu.profile({ seconds, hz, sampler, gc, signal });
    const body = await this.capture('profile', peer, take, (captured) => encoded(captured, format));
    return download('profile', format, body);
  }

  /** The answer comes while the trace goes on. */
  private trace({ query = '', method, signal, peer = IN_CODE }: PprofHandlerRequest): PprofAnswer {
    const parameters = rawQueryOf(query);
    const asked = parseFloat64(formValue(parameters, 'seconds')) ?? 0;
    const seconds = asked > 0 ? asked : DEFAULT_TRACE_SECONDS;
    this.checkDuration(seconds);
    const format = traceFormatOf(parameters);
    const name = format === 'go' ? 'trace' : `trace.${format}`;
    if (method === 'HEAD') return attachment(name, NO_BYTES);
    const body = new PassThrough();
    void this.tracer.capture(body, { seconds, format, signal, peer });
    return attachment(name, body);
  }

  /** By addresses in the raw query, or in the body of a POST. */
  private async symbol({ query = '', method, body }: PprofHandlerRequest): Promise<PprofAnswer> {
    const words = method === 'POST' ? Buffer.from(body ?? NO_BYTES).toString('latin1') : rawQueryOf(query);
    const answer = symbolText(words, (address) => this.symbols.nameOf(address));
    return text(await runSliced(answer, new HoldMeter()));
  }

  /** Go's `Handler(name)`, with its order of checks. */
  private async named(profile: NamedProfile, request: PprofHandlerRequest): Promise<PprofAnswer> {
    const { query = '', method, peer = IN_CODE } = request;
    const parameters = rawQueryOf(query);
    const seconds = formValue(parameters, 'seconds');
    const debug = atoi(formValue(parameters, 'debug'));
    if (seconds !== '') return this.delta(profile, parseInt64(seconds) ?? 0, debug, request);
    const format = formatOf(parameters, profile.devToolsFormat);
    const gc = atoi(formValue(parameters, 'gc')) > 0;
    const answer = (body: Uint8Array): PprofAnswer =>
      debug === 0 ? download(profile.name, format, body) : text(body);
    if (method === 'HEAD') return answer(NO_BYTES);
    const encode = (captured: CapturedProfile): Promise<Buffer> =>
      debug === 0 ? encoded(captured, format) : captured.encodeText(debug);
    return answer(await this.capture(profile.name, peer, () => profile.collect({ gc }), encode));
  }

  /** What a profile gains in a window. */
  private async delta(
    profile: NamedProfile,
    seconds: number,
    debug: number,
    { method, signal, peer = IN_CODE }: PprofHandlerRequest,
  ): Promise<PprofAnswer> {
    const name = `${profile.name}-delta`;
    if (seconds <= 0) throw goException('deltaSeconds');
    if (!profile.hasWindows) throw goException('deltaUnsupported');
    this.checkDuration(seconds);
    if (debug !== 0) throw goException('deltaAndDebug');
    if (method === 'HEAD') return attachment(name, NO_BYTES);
    const take = (): Promise<CapturedProfile> => this.deltas.collect(profile, { seconds, signal });
    return attachment(name, await this.capture(name, peer, take, (captured) => captured.encode()));
  }

  private async capture(
    profile: string,
    peer: string,
    take: () => Promise<CapturedProfile>,
    encode: (captured: CapturedProfile) => Promise<Buffer>,
  ): Promise<Buffer> {
    const begin = performance.now();
    const captured = await take();
    const body = await encode(captured);
    this.log.report({ profile, peer, bytes: body.length, longestHoldMs: captured.longestHoldMs }, begin);
    return body;
  }

  private checkDuration(seconds: number): void {
    const { writeTimeout, maxSeconds } = this.options;
    if (writeTimeout > 0 && seconds * 1000 >= writeTimeout) throw goException('writeTimeout');
    if (seconds > maxSeconds) throw tooLong(maxSeconds);
  }

  private hz(asked: string): number {
    if (asked === '') return this.cpu.defaultRate;
    const hz = parseInt64(asked) ?? 0;
    if (hz < CPU_RATE.min || hz > CPU_RATE.max) {
      throw badValue('hz', `an integer from ${CPU_RATE.min} to ${CPU_RATE.max}`);
    }
    return hz;
  }
}

/** @param offered the one that the profile can be had in beside pprof's own */
function formatOf(parameters: string, offered: DevToolsFormat | undefined): DevToolsFormat | undefined {
  const asked = formValue(parameters, 'format');
  if (asked === '') return undefined;
  if (asked !== offered) throw badValue('format', offered ?? 'left out');
  return offered;
}

function traceFormatOf(parameters: string): TraceFormat {
  const asked = formValue(parameters, 'format') || TRACE_FORMATS[0];
  const format = TRACE_FORMATS.find((name) => name === asked);
  if (!format) throw badValue('format', TRACE_FORMATS.join(' or '));
  return format;
}

function samplerOf(parameters: string): SamplerName | undefined {
  const asked = formValue(parameters, 'sampler');
  if (asked === '') return undefined;
  const sampler = SAMPLER_NAMES.find((name) => name === asked);
  if (!sampler) throw badValue('sampler', SAMPLER_NAMES.join(' or '));
  return sampler;
}

/** DevTools know a file by its extension. */
function download(profile: string, format: DevToolsFormat | undefined, body: Uint8Array): PprofAnswer {
  return attachment(format ? `${profile}.${format}` : profile, body);
}

function encoded(captured: CapturedProfile, format: DevToolsFormat | undefined): Promise<Buffer> {
  return format ? captured.encodeForDevTools() : captured.encode();
}
