import { inspect } from 'node:util';
import type {
  ListenOptions,
  PprofModuleExtras,
  PprofRuntimeOptions,
  ResolvedPprofExtras,
  ResolvedPprofOptions,
} from './interfaces/pprof-options.interface.js';
import { CPU_RATE } from './profiling/cpu-profiler.js';
import { DEFAULT_HEAP_RATE } from './sampling/sampler.js';

/** An option: what it is if nobody sets it, what it takes, and whether a value is that. */
interface OptionRule {
  readonly fallback: unknown;
  readonly takes: string;
  accepts(value: unknown): boolean;
}

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isListOf = (accepts: (entry: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(accepts);
const isNumber =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (value: unknown) =>
    typeof value === 'number' && value >= min && value <= max;
const isInteger = (min: number, max?: number) => (value: unknown) =>
  Number.isInteger(value) && isNumber(min, max)(value);
const isFunction = (value: unknown): boolean => typeof value === 'function';
const isClassOrInstance = (method: string) => (value: unknown) =>
  isFunction(
    (Object(typeof value === 'function' ? value.prototype : value) as Record<string, unknown>)[method],
  );

const LOOPBACK = '127.0.0.1';

/** No segment of dots alone: clients resolve these before they send a path. */
const PATH = /^\/?(?!\.{1,2}(\/|$))[\w.~-]+(\/(?!\.{1,2}(\/|$))[\w.~-]+)*\/?$/;

const RUNTIME_RULES: Readonly<Record<keyof PprofRuntimeOptions, OptionRule>> = {
  writeTimeout: { fallback: 0, takes: 'a number of milliseconds, or 0 for no limit', accepts: isNumber(0) },
  maxSeconds: {
    fallback: 300,
    takes: 'a whole number of seconds from 1 to 2147483',
    accepts: isInteger(1, 2_147_483),
  },
  enabled: { fallback: true, takes: 'true or false', accepts: isBoolean },
  endpoints: {
    fallback: {},
    takes: 'an object of endpoint names and true or false, such as { cmdline: false }',
    accepts: (value) => isRecord(value) && Object.values(value).every(isBoolean),
  },
  cmdline: {
    fallback: true,
    takes: 'true, false, or { redact: RegExp[] }',
    accepts: (value) =>
      isBoolean(value) ||
      (isRecord(value) &&
        Object.keys(value).join() === 'redact' &&
        isListOf((entry) => entry instanceof RegExp)(value.redact)),
  },
  sampler: {
    fallback: 'auto',
    takes: '"auto", "pprof" or "inspector"',
    accepts: (value) => ['auto', 'pprof', 'inspector'].includes(value as string),
  },
  cpuProfileRate: {
    fallback: 100,
    takes: `a whole number of samples per second from ${CPU_RATE.min} to ${CPU_RATE.max}`,
    accepts: isInteger(CPU_RATE.min, CPU_RATE.max),
  },
  memProfileRate: {
    fallback: DEFAULT_HEAP_RATE,
    takes: 'a whole number of bytes from 1 to 2147483647, or 0 for no heap sampling',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  blockProfileRate: { fallback: 0, takes: 'a whole number, or 0 for off', accepts: isInteger(0) },
  goroutineProfileRate: { fallback: 0, takes: 'a whole number, or 0 for off', accepts: isInteger(0) },
  mutexProfileThreshold: {
    fallback: 0,
    takes: 'a number of milliseconds, or 0 for off',
    accepts: isNumber(0),
  },
  allocs: {
    fallback: 'window',
    takes: '"window" or "off"',
    accepts: (value) => value === 'window' || value === 'off',
  },
  sourceMaps: { fallback: true, takes: 'true or false', accepts: isBoolean },
  profileComments: {
    fallback: [],
    takes: 'a list of strings, such as ["commit 1a2b3c"]',
    accepts: isListOf((entry) => typeof entry === 'string'),
  },
};

const EXTRAS_RULES: Readonly<Record<keyof PprofModuleExtras, OptionRule>> = {
  path: {
    fallback: 'debug/pprof',
    takes: 'a path of letters, digits and -._~ between slashes, such as "debug/pprof"',
    accepts: (value) => typeof value === 'string' && PATH.test(value),
  },
  listen: {
    fallback: undefined,
    takes: '{ port, host }, with a port from 0 to 65535',
    accepts: (value) =>
      isRecord(value) &&
      Object.keys(value).every((key) => key === 'port' || key === 'host') &&
      isInteger(0, 65_535)(value.port) &&
      (value.host === undefined || (typeof value.host === 'string' && value.host !== '')),
  },
  guards: {
    fallback: [],
    takes: 'a list of guard classes or instances',
    accepts: isListOf(isClassOrInstance('canActivate')),
  },
  interceptors: {
    fallback: [],
    takes: 'a list of interceptor classes or instances',
    accepts: isListOf(isClassOrInstance('intercept')),
  },
  decorators: { fallback: [], takes: 'a list of class decorators', accepts: isListOf(isFunction) },
  imports: { fallback: [], takes: 'a list of modules', accepts: Array.isArray },
  isGlobal: { fallback: false, takes: 'true or false', accepts: isBoolean },
};

/** The defaults of what shapes the module. */
export const DEFAULT_EXTRAS = defaultsOf(EXTRAS_RULES) as ResolvedPprofExtras;

/**
 * Checks what shapes the module and fills in defaults; other options that stand beside it are left alone.
 *
 * @throws Error that names the option, what it got, and what it takes
 */
export function resolveExtras(options: PprofModuleExtras): ResolvedPprofExtras {
  const given = Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(EXTRAS_RULES, name)),
  );
  const { path, listen, ...rest } = resolve(EXTRAS_RULES, given) as Required<PprofModuleExtras>;
  const own = (listen as ListenOptions | undefined) && { host: LOOPBACK, ...withoutUndefined(listen) };
  return { ...rest, path: path.replace(/^\/|\/$/g, ''), listen: checkedListen(own, rest.guards) };
}

/** Whoever reaches another address than this machine's own has to be stopped by somebody. */
function checkedListen(
  listen: Partial<ListenOptions> | undefined,
  guards: readonly unknown[],
): Required<ListenOptions> | undefined {
  const own = listen as Required<ListenOptions> | undefined;
  if (own && !isLoopback(own.host) && guards.length === 0) {
    throw new Error(
      `PprofModule: the option "listen" names the host ${own.host}, which takes the option "guards"`,
    );
  }
  return own;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/**
 * Checks the run-time options and fills in defaults.
 *
 * @throws Error that names the option, what it got, and what it takes
 */
export function resolveRuntimeOptions(options: PprofRuntimeOptions): ResolvedPprofOptions {
  return resolve(RUNTIME_RULES, options) as ResolvedPprofOptions;
}

/** What Nest's own builder takes in `forRootAsync`. */
const SOURCES = ['useFactory', 'useClass', 'useExisting'];
const ASYNC_OPTIONS = [...SOURCES, 'inject', 'provideInjectionTokensFrom', ...Object.keys(EXTRAS_RULES)];

/**
 * Checks what `forRootAsync` was given beside what the factory will return.
 *
 * @throws Error that names the option, or what is missing
 */
export function checkAsyncOptions(options: object): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(RUNTIME_RULES, name)) {
      throw new Error(`PprofModule: the option "${name}" of forRootAsync is for the factory to return`);
    }
    if (!ASYNC_OPTIONS.includes(name)) {
      throw new Error(
        `PprofModule: unknown option "${name}" of forRootAsync; there are ${ASYNC_OPTIONS.join(', ')}`,
      );
    }
  }
  resolveExtras(options as PprofModuleExtras);
  if (!SOURCES.some((name) => isFunction((options as Record<string, unknown>)[name]))) {
    throw new Error(`PprofModule: forRootAsync takes one of ${SOURCES.join(', ')}`);
  }
}

/** @throws Error if the options are no object */
export function checkIsObject(options: unknown): void {
  if (!isRecord(options))
    throw new Error(`PprofModule: the options are ${shown(options)}; they take an object`);
}

function resolve(rules: Readonly<Record<string, OptionRule>>, options: object): object {
  if (!isRecord(options))
    throw new Error(`PprofModule: the options are ${shown(options)}; they take an object`);
  const known: Record<string, OptionRule> = { ...EXTRAS_RULES, ...RUNTIME_RULES };
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule && Object.hasOwn(known, name)) {
      throw new Error(
        `PprofModule: the option "${name}" shapes the module: it stands beside the factory of forRootAsync`,
      );
    }
    if (!rule) {
      throw new Error(`PprofModule: unknown option "${name}"; there are ${Object.keys(known).join(', ')}`);
    }
    if (value !== undefined && !rule.accepts(value)) {
      throw new Error(`PprofModule: the option "${name}" is ${shown(value)}; it takes ${rule.takes}`);
    }
  }
  return { ...defaultsOf(rules), ...withoutUndefined(options) };
}

function defaultsOf(rules: Readonly<Record<string, OptionRule>>): object {
  return Object.fromEntries(Object.entries(rules).map(([name, { fallback }]) => [name, fallback]));
}

function withoutUndefined(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** A value in an error's one line. */
function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 100 });
}
