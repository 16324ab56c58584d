import { Get, Req } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../../pprof.options.js';
import { Captures } from '../../profiling/capture.js';
import { ProcessFacts } from '../../profiling/process-facts.js';
import { ProfileRegistry } from '../../profiling/profile-registry.js';
import { GO_INDEX_CSP, goIndexPage } from '../../ui/go-index-page.js';
import { INDEX_CSP, indexPage } from '../../ui/index-page.js';
import type { IndexRow } from '../../ui/index-row.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { longestSeconds } from '../go-query.js';
import { html, type PprofReply } from '../reply.js';
import { pprofRequest } from '../request.js';
import { Routes } from '../routes.js';
import { Speedscope } from '../speedscope.js';
import { CPU_FORMAT } from './profile.js';

/** Length of the captures that the index offers, where the limits allow it. */
const SECONDS = 10;

@PprofEndpoint({ name: '', description: '' })
export class IndexEndpoint {
  constructor(
    private readonly routes: Routes,
    private readonly registry: ProfileRegistry,
    private readonly captures: Captures,
    private readonly facts: ProcessFacts,
    private readonly speedscope: Speedscope,
  ) {}

  @Get()
  async serve(@Req() request: object): Promise<PprofReply> {
    const { options } = this.routes;
    if (!options.ui) return html(goIndexPage(this.rows()), GO_INDEX_CSP);
    const content = {
      url: pprofRequest(request).url,
      rows: this.rows(),
      switchedOff: switchedOff(options),
      seconds: Math.min(SECONDS, longestSeconds(options)),
      running: [...this.captures.running].map(({ since, ...capture }) => ({
        ...capture,
        seconds: (performance.now() - since) / 1000,
      })),
      facts: await this.facts.read(),
      lacksSpeedscope: this.routes.isOn('flamegraph') && !this.speedscope.isInstalled,
    };
    return html(indexPage(content), INDEX_CSP);
  }

  private rows(): IndexRow[] {
    const hasFlameGraphs = this.speedscope.isInstalled && this.routes.isOn('flamegraph');
    const endpoints = this.routes.endpoints
      .filter(({ description }) => description !== '')
      .map(({ name, description }) => ({
        name,
        description,
        count: undefined,
        flameGraph: hasFlameGraphs && (name === 'profile' || name === 'trace'),
        devToolsFormat: name === 'profile' ? CPU_FORMAT : undefined,
        pastSeconds: name === 'profile' ? this.routes.options.flightRecorder?.seconds : undefined,
      }));
    const profiles = this.registry
      .profiles()
      .filter(({ name }) => this.routes.isOn(name))
      .map((profile) => ({
        name: profile.name,
        description: profile.description,
        count: profile.count(),
        isUnread: !profile.isCounted,
        flameGraph: hasFlameGraphs,
        isOff: profile.isOff,
        status: profile.status,
        hasDump: profile.hasDump,
        devToolsFormat: profile.devToolsFormat,
      }));
    return [...endpoints, ...profiles];
  }
}

function switchedOff({ endpoints, cmdline }: ResolvedPprofOptions): string[] {
  const names = Object.keys(endpoints).filter((name) => !endpoints[name]);
  return cmdline === false && endpoints.cmdline !== false ? [...names, 'cmdline'] : names;
}
