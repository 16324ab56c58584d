import { inspect } from 'node:util';
import type { CanActivate, DynamicModule, ForwardReference, NestInterceptor, Type } from '@nestjs/common';
import { CPU_RATE, DEFAULT_HEAP_RATE, type SamplerName } from './sampling/sampler.js';

/*
 * Injection tokens. By `Symbol.for`, so that the ESM and the CommonJS copy of this package share them.
 */

/** The options as the application passed them. */
export const PPROF_MODULE_OPTIONS = Symbol.for('nestjs-pprof/module-options');

/** The run-time options, checked and with defaults: {@link ResolvedPprofOptions}. */
export const PPROF_OPTIONS = Symbol.for('nestjs-pprof/options');

/** The options that Nest needs to build the module: {@link PprofModuleExtras}. */
export const PPROF_EXTRAS = Symbol.for('nestjs-pprof/extras');

/** The samplers that the options select: `Sampling`. */
export const PPROF_SAMPLING = Symbol.for('nestjs-pprof/sampling');

/** Run-time options: passed to `forRoot`, or returned by the factory of `forRootAsync`. */
export interface PprofRuntimeOptions {
  /**
   * If something in front of the application cuts off responses after n milliseconds, set n: a capture that takes n ms or
   * longer gets 400 `profile duration exceeds server's WriteTimeout` at once, as in Go. 0 means no limit, and disables the
   * socket's idle timeout for the response.
   * @default 0
   */
  writeTimeout?: number;
  /**
   * Longest capture over HTTP, in seconds. A request for a longer one gets 400.
   * @default 300
   */
  maxSeconds?: number;
  /**
   * `false` switches the module off: every endpoint returns Go's 404 (after the guards), the heap is not sampled, and requests
   * in flight are not tracked.
   * @default true
   */
  enabled?: boolean;
  /**
   * Switches endpoints on and off by name: one set to `false` returns Go's 404. With `NODE_ENV=production` at boot, `heapsnapshot`
   * is off unless it is `true` here, with `listen` too.
   * @default {}, all endpoints are on, except heapsnapshot in production
   * @example { cmdline: false, heapsnapshot: true }
   */
  endpoints?: Readonly<Record<string, boolean>>;
  /**
   * How `cmdline` shows the process's arguments. Text that looks like a secret, or that an expression in `redact` matches, is
   * replaced by `REDACTED`. With `false` the endpoint returns 404.
   * @default true
   */
  cmdline?: boolean | { readonly redact: readonly RegExp[] };
  /**
   * Which sampler to use: the `pprof` package, or Node's built-in `inspector`. `auto` uses `pprof` if it is installed and
   * could be compiled, otherwise the inspector.
   * @default 'auto'
   */
  sampler?: 'auto' | SamplerName;
  /**
   * CPU samples per second, 1 to 1000, for requests without `hz`.
   * @default 100, or the rate of `flightRecorder`
   */
  cpuProfileRate?: number;
  /**
   * Whether V8's CPU profiler keeps running after a capture. Starting it holds the event loop for 0.1 to 1 s, depending on
   * how much code is loaded; while it is running, a capture starts and stops in about 1 ms. A profiler that was just started
   * also can't attribute time to code that V8 compiled by on-stack replacement before.
   *
   * `'auto'`: for two minutes after a capture, so that a scraper starts it only once. `'always'`: from startup on. `'off'`:
   * never. While it runs, the inspector takes the captures, unless `sampler` is `'pprof'`, and each `console.*` call takes 15
   * to 30 µs longer, because an inspector session is connected.
   * @default 'auto'
   */
  warm?: 'auto' | 'always' | 'off';
  /**
   * Keeps the CPU samples of the last seconds, for `profile?past=30`. Requires `warm: 'always'`.
   * @default undefined: no samples are kept
   */
  flightRecorder?: PprofFlightRecorderOptions;
  /**
   * Mean number of allocated bytes between two heap samples. 0 switches heap sampling off.
   * @default 524288
   */
  memProfileRate?: number;
  /**
   * `'window'`: `allocs?seconds=N` shows everything allocated in the window, including objects that were freed in it. This
   * restarts V8's heap sampler, so `heap` then knows only objects allocated since. `'off'`: the sampler is not restarted, and
   * the window shows a lower bound.
   * @default 'window'
   */
  allocs?: 'window' | 'off';
  /**
   * Rate of `block`: one wait in n is measured and counts n times. 0 switches it off.
   * @default 0
   */
  blockProfileRate?: number;
  /**
   * Threshold of `mutex` in ms, 10 to 60,000: it counts holds of the event loop that last longer. 0 switches it off. It
   * needs V8's CPU profiler running all the time, as with `warm: 'always'`.
   * @default 0
   */
  mutexProfileThreshold?: number;
  /**
   * Rate of `goroutine` and `goroutineleak`: one `await` in n is tracked and counts n times. 0 switches tracking off.
   * @default 0
   */
  goroutineProfileRate?: number;
  /**
   * Whether frames show the original source if there is a source map.
   * @default true
   */
  sourceMaps?: boolean;
  /**
   * Comments to add to every profile, such as service, version and commit.
   * @default []
   * @example [`service ${name}`, `commit ${process.env.GIT_SHA}`]
   */
  profileComments?: readonly string[];
  /**
   * `false`: the index is Go's plain page.
   * @default true
   */
  ui?: boolean;
}

/** What the flight recorder keeps for `profile?past=N`. */
export interface PprofFlightRecorderOptions {
  /**
   * Length of the recording, in seconds, 1 to 600.
   * @default 60
   */
  readonly seconds?: number;
  /**
   * Samples per second, 1 to 1000.
   * @default 100
   */
  readonly hz?: number;
}

/** A separate port for the endpoints. */
export interface PprofListenOptions {
  /** 0 to 65535. 0 picks a free port, and the log shows it. */
  readonly port: number;
  /**
   * A host name or address of this machine. Any non-loopback host requires `guards`.
   * @default '127.0.0.1'
   */
  readonly host?: string;
}

/** Options that Nest needs to build the module. In `forRootAsync` they go next to the factory. */
export interface PprofModuleExtras {
  /**
   * Path of the endpoints, below the application's global prefix.
   * @default 'debug/pprof'
   */
  path?: string;
  /**
   * Guards for every endpoint, run after the application's global guards: classes that any module of the application
   * provides, or instances. Without guards, only requests from the same machine are allowed, and in production none on the
   * application's port.
   * @default []
   */
  guards?: readonly (Type<CanActivate> | CanActivate)[];
  /**
   * Interceptors for every endpoint, classes or instances. They wrap the whole capture; the application's global interceptors
   * see only its start.
   * @default []
   */
  interceptors?: readonly (Type<NestInterceptor> | NestInterceptor)[];
  /**
   * Class decorators to apply to every endpoint's controller, such as `SkipThrottle()` or `Public()`.
   * @default []
   */
  decorators?: readonly ClassDecorator[];
  /**
   * Modules that export what the guards and interceptors inject, if no other module provides it.
   * @default []
   */
  imports?: (Type | DynamicModule | Promise<DynamicModule> | ForwardReference)[];
  /**
   * `true` lets every module inject `ProfilerService` without importing this module.
   * @default false
   */
  isGlobal?: boolean;
  /**
   * Serves the endpoints on a separate port instead of the application's. The global prefix does not apply there.
   *
   * This also works in an application without HTTP (`createMicroservice`, `createApplicationContext`). There the module's
   * guards and interceptors run, but not the global ones, which expect messages, and controllers with `@PprofEndpoint` return
   * 404, because there is no router.
   * @default undefined: the application's port
   * @example { port: 6060 }
   */
  listen?: PprofListenOptions;
}

/** The {@link PprofModuleExtras} with their defaults. */
export interface ResolvedPprofExtras extends Required<Omit<PprofModuleExtras, 'listen'>> {
  readonly listen: Required<PprofListenOptions> | undefined;
}

/** Options of `PprofModule.forRoot`. */
export interface PprofModuleOptions extends PprofRuntimeOptions, PprofModuleExtras {}

/** What a class for `forRootAsync({ useClass })` or `{ useExisting }` implements. */
export interface PprofOptionsFactory {
  createPprofOptions(): PprofRuntimeOptions | Promise<PprofRuntimeOptions>;
}

/** The run-time options with their defaults. */
export interface ResolvedPprofOptions extends Readonly<
  Required<Omit<PprofRuntimeOptions, 'flightRecorder'>>
> {
  readonly flightRecorder: Required<PprofFlightRecorderOptions> | undefined;
}

/** Rule of an option: its default, a description of valid values, and a check. */
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
  warm: {
    fallback: 'auto',
    takes: '"auto", "always" or "off"',
    accepts: (value) => ['auto', 'always', 'off'].includes(value as string),
  },
  flightRecorder: {
    fallback: undefined,
    takes: `an object { seconds, hz }: whole numbers from 1 to 600, and from ${CPU_RATE.min} to ${CPU_RATE.max}`,
    accepts: (value) =>
      isRecord(value) &&
      Object.keys(value).every((key) => ['seconds', 'hz'].includes(key)) &&
      (value.seconds === undefined || isInteger(1, 600)(value.seconds)) &&
      (value.hz === undefined || isInteger(CPU_RATE.min, CPU_RATE.max)(value.hz)),
  },
  memProfileRate: {
    fallback: DEFAULT_HEAP_RATE,
    takes: 'a whole number of bytes from 1 to 2147483647, or 0 to switch heap sampling off',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  allocs: {
    fallback: 'window',
    takes: '"window" or "off"',
    accepts: (value) => ['window', 'off'].includes(value as string),
  },
  blockProfileRate: {
    fallback: 0,
    takes: 'a whole number n to measure one wait in n, or 0 to switch it off',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  mutexProfileThreshold: {
    fallback: 0,
    takes: 'a number of milliseconds from 10 to 60000, or 0 to switch it off',
    accepts: (value) => value === 0 || isNumber(10, 60_000)(value),
  },
  goroutineProfileRate: {
    fallback: 0,
    takes: 'a whole number n to track one await in n, or 0 to switch it off',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  sourceMaps: { fallback: true, takes: 'true or false', accepts: isBoolean },
  profileComments: {
    fallback: [],
    takes: 'a list of strings, such as ["commit 1a2b3c"]',
    accepts: isListOf((entry) => typeof entry === 'string'),
  },
  ui: { fallback: true, takes: 'true or false', accepts: isBoolean },
};

const EXTRAS_RULES: Readonly<Record<keyof PprofModuleExtras, OptionRule>> = {
  path: {
    fallback: 'debug/pprof',
    takes: 'a path of letters, digits and -._~ between slashes, such as "debug/pprof"',
    accepts: (value) => typeof value === 'string' && PATH.test(value),
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
  listen: {
    fallback: undefined,
    takes:
      'an object { port, host }: a whole number from 0 to 65535, and a host name or address of this machine',
    accepts: (value) =>
      isRecord(value) &&
      Object.keys(value).every((key) => ['port', 'host'].includes(key)) &&
      isInteger(0, 65_535)(value.port) &&
      (value.host === undefined || (typeof value.host === 'string' && value.host !== '')),
  },
};

/** The defaults of {@link PprofModuleExtras}. */
export const DEFAULT_EXTRAS = defaultsOf(EXTRAS_RULES) as Readonly<ResolvedPprofExtras>;

/**
 * Checks {@link PprofModuleExtras} and fills in defaults. Ignores other options.
 *
 * @throws Error that names the option, its value, and what is expected
 */
export function resolveExtras(options: PprofModuleExtras): Readonly<ResolvedPprofExtras> {
  const given = Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(EXTRAS_RULES, name)),
  );
  const { path, listen, ...rest } = resolve(EXTRAS_RULES, given) as ResolvedPprofExtras;
  return {
    ...rest,
    path: path.replace(/^\/|\/$/g, ''),
    listen: listen && checkedListen(listen, rest.guards),
  };
}

function checkedListen(
  { port, host = '127.0.0.1' }: PprofListenOptions,
  guards: readonly unknown[],
): Required<PprofListenOptions> {
  if (guards.length === 0 && host !== 'localhost' && !isLoopbackAddress(host)) {
    throw new Error(
      `PprofModule: option "listen" has the host "${host}", which other machines can reach: this requires the option "guards"`,
    );
  }
  return { port, host };
}

/** Whether only programs on this machine can reach an address. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

/**
 * Checks a rate that is set at run time, by the rule of its option.
 *
 * @returns an error message, or undefined if the rate is valid
 */
export function rateProblem(option: RateOption, value: unknown): string | undefined {
  const { accepts, takes } = RUNTIME_RULES[option];
  return accepts(value) ? undefined : `invalid rate ${shown(value)} for ${option}: expected ${takes}`;
}

/** Options that switch a profile on by a rate. */
export type RateOption = 'blockProfileRate' | 'mutexProfileThreshold' | 'goroutineProfileRate';

/**
 * Checks the run-time options and fills in defaults.
 *
 * @throws Error that names the option, its value, and what is expected
 */
export function resolveRuntimeOptions(options: PprofRuntimeOptions): ResolvedPprofOptions {
  const { flightRecorder, ...given } = resolve(RUNTIME_RULES, options) as ResolvedPprofOptions;
  const rest = { ...given, endpoints: { ...defaultEndpoints(), ...given.endpoints } };
  if (!flightRecorder) return { ...rest, flightRecorder };
  if (rest.warm !== 'always') throw new Error('PprofModule: option "flightRecorder" requires warm: "always"');
  const { seconds = 60, hz = 100 } = flightRecorder;
  if ((options.cpuProfileRate ?? hz) !== hz) {
    throw new Error(
      `PprofModule: option "cpuProfileRate" is ${options.cpuProfileRate}, but "flightRecorder" has hz ${hz}: both are the rate of one profiler: set the same value, or omit "cpuProfileRate"`,
    );
  }
  return { ...rest, cpuProfileRate: hz, flightRecorder: { seconds, hz } };
}

/** Endpoints that are on or off if the options don't say. */
function defaultEndpoints(): Readonly<Record<string, boolean>> {
  return { heapsnapshot: process.env.NODE_ENV !== 'production' };
}

/** What Nest's module builder accepts in `forRootAsync`. */
const SOURCES = ['useFactory', 'useClass', 'useExisting'];
const ASYNC_OPTIONS = [...SOURCES, 'inject', 'provideInjectionTokensFrom', ...Object.keys(EXTRAS_RULES)];

/**
 * Checks the argument of `forRootAsync`, without what the factory will return.
 *
 * @throws Error that names the option, or what is missing
 */
export function checkAsyncOptions(options: object): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(RUNTIME_RULES, name)) {
      throw new Error(
        `PprofModule: forRootAsync does not accept option "${name}": return it from the factory`,
      );
    }
    if (!ASYNC_OPTIONS.includes(name)) {
      throw new Error(
        `PprofModule: unknown option "${name}" of forRootAsync; known options: ${ASYNC_OPTIONS.join(', ')}`,
      );
    }
  }
  resolveExtras(options as PprofModuleExtras);
  if (!SOURCES.some((name) => isFunction((options as Record<string, unknown>)[name]))) {
    throw new Error(`PprofModule: forRootAsync requires one of ${SOURCES.join(', ')}`);
  }
}

/** @throws Error if the options are not an object */
export function checkIsObject(options: unknown): void {
  if (!isRecord(options))
    throw new Error(`PprofModule: invalid options ${shown(options)}: expected an object`);
}

function resolve(rules: Readonly<Record<string, OptionRule>>, options: object): object {
  checkIsObject(options);
  const known: Record<string, OptionRule> = { ...EXTRAS_RULES, ...RUNTIME_RULES };
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule && Object.hasOwn(known, name)) {
      throw new Error(
        `PprofModule: the factory must not return option "${name}": pass it to forRootAsync, next to the factory`,
      );
    }
    if (!rule) {
      throw new Error(
        `PprofModule: unknown option "${name}"; known options: ${Object.keys(known).join(', ')}`,
      );
    }
    if (value !== undefined && !rule.accepts(value)) {
      throw new Error(
        `PprofModule: invalid value ${shown(value)} for option "${name}": expected ${rule.takes}`,
      );
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

/** A value as an error message shows it, in one line. */
function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 100 });
}
