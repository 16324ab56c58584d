import { Get, Inject, Req } from '@nestjs/common';
import type { NamedProfile } from '../../profiling/named-profile.js';
import { ProfileRegistry } from '../../profiling/profile-registry.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import {
  FLAME_GRAPH_CSP,
  type FlameGraphChoice,
  type FlameGraphContent,
  flameGraphPage,
  SPEEDSCOPE_CSP,
} from '../../ui/flame-graph-page.js';
import { FLAME_GRAPH_SCRIPT } from '../../ui/flame-graph-script.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { badValue, goException } from '../go-errors.js';
import { checkDuration, formValue, longestSeconds, parseInt64 } from '../go-query.js';
import { html, type PprofReply } from '../reply.js';
import { pprofRequest } from '../request.js';
import { Routes } from '../routes.js';
import { type BrowserFile, Speedscope } from '../speedscope.js';

/** Lengths of a capture that the page offers, in seconds. */
const SECONDS = [5, 10, 30];

const SCRIPT: BrowserFile = {
  contentType: 'text/javascript; charset=utf-8',
  body: Buffer.from(FLAME_GRAPH_SCRIPT),
};

/** A profile as the page knows it. */
type Drawable = Pick<FlameGraphContent, 'profile' | 'description' | 'status' | 'view' | 'comparable'> & {
  /** Whether the visitor has to choose a time. */
  readonly takesTime: boolean;
  readonly choices: readonly FlameGraphChoice[];
  readonly format: string;
};

/** The flame graph page, `flamegraph?profile=heap`, and the files of speedscope, which it loads. */
@PprofEndpoint({ name: 'flamegraph', description: '', hasFiles: true })
export class FlameGraphEndpoint {
  constructor(
    private readonly routes: Routes,
    private readonly registry: ProfileRegistry,
    private readonly speedscope: Speedscope,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  @Get()
  async serve(@Req() request: object): Promise<PprofReply> {
    if (!this.speedscope.isInstalled) throw goException('unknownProfile');
    const { name, query } = pprofRequest(request);
    const [, file] = name.split('/', 2);
    return file === undefined ? this.page(query) : this.file(file);
  }

  private page(query: string): PprofReply {
    const { format, takesTime, ...drawable } = this.drawable(formValue(query, 'profile') || 'profile');
    const seconds = this.secondsOf(query);
    const asked = parametersOf(query);
    const source =
      asked === '' && takesTime
        ? undefined
        : `${drawable.profile}?${[asked, `format=${format}`].filter(Boolean).join('&')}`;
    const comparable = drawable.comparable && seconds === 0;
    return html(flameGraphPage({ ...drawable, comparable, source, query: asked, seconds }), FLAME_GRAPH_CSP);
  }

  private async file(name: string): Promise<PprofReply> {
    const file = name === 'page.js' ? SCRIPT : await this.speedscope.file(name);
    if (!file) throw goException('unknownProfile');
    const { contentType, body } = file;
    if (name.endsWith('.html')) return html(body, SPEEDSCOPE_CSP);
    return { status: 200, headers: { 'content-type': contentType }, body };
  }

  /** @throws HttpException 404 for what no flame graph can be drawn of */
  private drawable(name: string): Drawable {
    const profile = this.routes.isOn(name) ? this.registry.lookup(name) : undefined;
    if (profile) return this.named(profile);
    const endpoint = DRAWABLE.has(name) ? this.routes.endpoint(name) : undefined;
    if (!endpoint) throw goException('unknownProfile');
    return {
      profile: name,
      description: endpoint.description,
      status: undefined,
      comparable: false,
      takesTime: true,
      choices: [...this.windows(''), ...this.past(name)],
      ...DRAWABLE.get(name)!,
    };
  }

  private named({ name, description, isOff, status, hasWindows }: NamedProfile): Drawable {
    const now = isOff ? [] : [{ label: 'Now', query: '' }];
    const collected = name === 'heap' ? [{ label: 'After GC', query: 'gc=1' }] : [];
    return {
      profile: name,
      description,
      status,
      comparable: true,
      takesTime: isOff,
      choices: [...now, ...collected, ...(hasWindows ? this.windows(isOff ? '' : 'Change in ') : [])],
      view: 'left-heavy',
      format: 'speedscope',
    };
  }

  private windows(label: string): FlameGraphChoice[] {
    const longest = longestSeconds(this.options);
    const offered = SECONDS.filter((seconds) => seconds <= longest);
    return (offered.length > 0 ? offered : [longest]).map((seconds) => ({
      label: `${label}${seconds} s`,
      query: `seconds=${seconds}`,
    }));
  }

  private past(name: string): FlameGraphChoice[] {
    const { flightRecorder } = this.options;
    if (name !== 'profile' || !flightRecorder) return [];
    const { seconds } = flightRecorder;
    return [{ label: `Last ${seconds} s`, query: `past=${seconds}` }];
  }

  /** 0 for a reading. */
  private secondsOf(query: string): number {
    const asked = formValue(query, 'seconds');
    if (asked === '') return 0;
    const seconds = parseInt64(asked) ?? 0;
    if (seconds < 1) throw badValue('seconds', 'a positive integer');
    checkDuration(seconds, this.options);
    return seconds;
  }
}

/** The first parameter that says what to show; the profile's endpoint checks it. */
function parametersOf(query: string): string {
  const name = ['seconds', 'past', 'gc'].find((one) => formValue(query, one) !== '');
  return name ? `${name}=${encodeURIComponent(formValue(query, name))}` : '';
}

/** What is no named profile, with the format that speedscope opens. */
const DRAWABLE: ReadonlyMap<string, Pick<Drawable, 'view' | 'format'>> = new Map([
  ['profile', { view: 'left-heavy', format: 'speedscope' }],
  ['trace', { view: 'time-ordered', format: 'json' }],
]);
