import { Inject, Injectable, Logger } from '@nestjs/common';
import { IN_PRODUCTION } from './http/access.guard.js';
import { PprofRouter } from './http/router.js';
import { Routes } from './http/routes.js';
import { SeparatePort } from './http/separate-port.js';
import { PPROF_EXTRAS, PPROF_OPTIONS, PPROF_SAMPLING } from './pprof.options.js';
import type { ResolvedPprofExtras, ResolvedPprofOptions } from './pprof.options.js';
import { classNameOf, classOf } from './profiling/class-of.js';
import type { Sampling } from './sampling/sampler.js';

/** Logs one line when the application has started: where the module serves, for whom, and what samples. */
@Injectable()
export class BootLog {
  private readonly logger = new Logger('PprofModule');

  constructor(
    private readonly routes: Routes,
    private readonly router: PprofRouter,
    private readonly port: SeparatePort,
    @Inject(PPROF_EXTRAS) private readonly extras: ResolvedPprofExtras,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
  ) {}

  /** With a warning if nobody may use the endpoints, or profiles do not work. */
  write(): void {
    this.logger.log(this.line());
    const warnings = [this.isClosed && IN_PRODUCTION, this.missing()].filter(Boolean);
    if (warnings.length > 0) this.logger.warn(warnings.join(' '));
  }

  private line(): string {
    const places = this.places;
    if (!this.options.enabled) return `Not serving ${places || 'pprof'}: the option "enabled" is false`;
    const where = places
      ? `Serving ${places} to ${this.clients()}`
      : 'Serving no endpoints: the application has no HTTP server, and the option "listen" is not set';
    return `${where}; samplers: ${this.samplers()}`;
  }

  /** Empty for an application without HTTP. */
  private get places(): string {
    return this.port.url ?? this.router.paths.map((path) => `${path}/`).join(' and ');
  }

  private get isClosed(): boolean {
    const { options, routes, extras } = this;
    return options.enabled && this.places !== '' && routes.production && extras.guards.length === 0;
  }

  private clients(): string {
    if (this.isClosed) return 'nobody';
    const guards = this.extras.guards.map((guard) =>
      classNameOf(typeof guard === 'function' ? guard : classOf(guard)),
    );
    return guards.length > 0 ? `requests that pass ${guards.join(', ')}` : 'programs on this machine only';
  }

  private samplers(): string {
    const { name, cpu, notice } = this.sampling;
    if (notice?.kind === 'none') return 'none';
    const heap = this.options.memProfileRate > 0 ? name : 'none';
    const names = cpu.name === heap ? `${heap} (CPU, heap)` : `${cpu.name} (CPU), ${heap} (heap)`;
    return notice?.kind === 'instead' ? `${names}, since ${notice.text}` : names;
  }

  private missing(): string | undefined {
    const { notice } = this.sampling;
    if (notice?.kind === 'none') return `No CPU and heap profiles: ${notice.text}.`;
    return notice?.kind === 'limited' ? `${notice.text}.` : undefined;
  }
}
