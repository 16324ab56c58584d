import type { INestApplication, ModuleMetadata, NestApplicationOptions } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  type CpuProfileOptions,
  CpuProfiler,
  DeltaCollector,
  type DeltaOptions,
  type NamedProfile,
  PprofModule,
  type PprofModuleOptions,
} from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import { MadeUpSampling } from './made-up-sampling.js';

export const ADAPTERS = ['express', 'fastify'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

export interface AppSetup extends Pick<ModuleMetadata, 'imports' | 'controllers' | 'providers'> {
  /** Options of `PprofModule.forRoot`; `false`: the module is among `imports`, or not there. */
  pprof?: PprofModuleOptions | false;
  options?: NestApplicationOptions;
  /** An adapter with options of its own. */
  httpAdapter?: AbstractHttpAdapter;
  /** Between the creation of the application and its boot. */
  configure?(app: INestApplication): unknown;
}

export interface TestApp {
  readonly app: INestApplication;
  /** What samples in place of V8. */
  readonly sampling: MadeUpSampling;
  /** Scheme, address and port. */
  readonly url: string;
  /** Where the endpoints are, without a slash at the end; a global prefix is not known here. */
  readonly base: string;
  close(): Promise<void>;
}

const running = new Map<INestApplication, MadeUpSampling>();

/** The frames are made up, or those of a test, of which Jest has changed the code: V8 would be asked for it. */
const WITHOUT_MAPS = { sourceMaps: false };

/**
 * An application as users write it, listening on a free port, with a sampler that is not V8's. `afterEach(closeApps)`
 * ends it.
 */
export async function startApp(adapter: AdapterName, setup: AppSetup = {}): Promise<TestApp> {
  const { imports = [], controllers, providers, pprof = {}, options, configure } = setup;
  const { httpAdapter = adapterNamed(adapter) } = setup;
  const sampling = new MadeUpSampling();
  const module = await Test.createTestingModule({
    imports: [...imports, ...(pprof ? [PprofModule.forRoot({ ...WITHOUT_MAPS, ...pprof })] : [])],
    controllers,
    providers,
  })
    .overrideProvider(PPROF_SAMPLING)
    .useValue(sampling)
    .compile();
  const app = module.createNestApplication(httpAdapter, { logger: false, ...options });
  running.set(app, sampling);
  await configure?.(app);
  await app.listen(0, '127.0.0.1');
  sampling.cold = 'V8 is left alone'; // by traces
  const url = await app.getUrl();
  const path = (pprof && pprof.path) || 'debug/pprof';
  return { app, sampling, url, base: `${url}/${path}`, close: () => close(app) };
}

/**
 * CPU captures over HTTP of an application end at once, whatever their length.
 *
 * @returns what was asked of them so far
 */
export function shortCpuCaptures({ app }: TestApp): CpuProfileOptions[] {
  const profiler = app.get(CpuProfiler);
  const take = profiler.take.bind(profiler);
  const asked: CpuProfileOptions[] = [];
  profiler.take = (options = {}) => {
    asked.push(options);
    return take({ seconds: 0.001 });
  };
  return asked;
}

/**
 * Windows of an application end at once, whatever their length.
 *
 * @returns what was asked of them so far
 */
export function shortWindows({ app }: TestApp): DeltaOptions[] {
  const deltas = app.get(DeltaCollector);
  const take = deltas.take.bind(deltas);
  const asked: DeltaOptions[] = [];
  deltas.take = (profile, options) => {
    asked.push(options);
    return take(profile, { ...options, seconds: 0.001 });
  };
  return asked;
}

/** Resolves when a window has been opened. */
export function windowOf(profile: NamedProfile): Promise<void> {
  return new Promise((resolve) => {
    const openWindow = profile.openWindow.bind(profile);
    profile.openWindow = () => openWindow().finally(resolve);
  });
}

/** For `afterEach` or `afterAll`: closes what {@link startApp} started and nobody closed. */
export async function closeApps(): Promise<void> {
  await Promise.all([...running.keys()].map(close));
}

export function adapterNamed(name: AdapterName): AbstractHttpAdapter {
  return name === 'express' ? new ExpressAdapter() : new FastifyAdapter();
}

async function close(app: INestApplication): Promise<void> {
  const sampling = running.get(app);
  if (!sampling) return;
  running.delete(app);
  await app.close();
  if (sampling.running.cpu > 0) throw new Error('a closed application left a CPU recording behind');
  if (running.size === 0 && sampling.running.heap > 0)
    throw new Error('a closed application left its heap sampler on');
}
