import { inspect } from 'node:util';
import type { CanActivate, DynamicModule, ForwardReference, NestInterceptor, Type } from '@nestjs/common';
import { CPU_RATE, DEFAULT_HEAP_RATE, type SamplerName } from './sampling/sampler.js';

/*
 * Injection tokens. By `Symbol.for`, so that the ESM and the CommonJS copy of this package share them.
 */

/** What the user passed. */
export const PPROF_MODULE_OPTIONS = Symbol.for('nestjs-pprof/module-options');

/** The options with defaults, checked: {@link ResolvedPprofOptions}. */
export const PPROF_OPTIONS = Symbol.for('nestjs-pprof/options');

/** What shapes the module and is known before it exists: {@link PprofModuleExtras}. */
export const PPROF_EXTRAS = Symbol.for('nestjs-pprof/extras');

/** The means of sampling that the options chose: `Sampling`. */
export const PPROF_SAMPLING = Symbol.for('nestjs-pprof/sampling');

/** What the module does at run time: `forRoot` takes it directly, `forRootAsync` from a factory. */
export interface PprofRuntimeOptions {
  /**
   * Milliseconds. A capture that would take as long or longer is refused with Go's 400
   * `profile duration exceeds server's WriteTimeout`. 0: no limit, and the idle timeout of the socket is lifted for
   * the answer.
   * @default 0
   */
  writeTimeout?: number;
  /**
   * Longest capture over HTTP, in seconds; a longer one is refused with 400.
   * @default 300
   */
  maxSeconds?: number;
  /**
   * `false`: every endpoint answers Go's 404, after the guards, the heap is not sampled, and requests in flight are not tracked.
   * @default true
   */
  enabled?: boolean;
  /**
   * Endpoints by name; `false` makes one return Go's 404. With `NODE_ENV=production` at boot, `heapsnapshot` is off unless it is `true`
   * here, with `listen` too.
   * @default all on, in production all but heapsnapshot
   * @example { cmdline: false, heapsnapshot: true }
   */
  endpoints?: Readonly<Record<string, boolean>>;
  /**
   * The arguments that `cmdline` shows. What looks like a secret is replaced by `REDACTED`, and what the expressions
   * in `redact` match too. `false`: 404.
   * @default true
   */
  cmdline?: boolean | { readonly redact: readonly RegExp[] };
  /**
   * What samples: the package `pprof`, Node's own `inspector`, or `auto`: `pprof` where it could be built.
   * @default 'auto'
   */
  sampler?: 'auto' | SamplerName;
  /**
   * CPU samples per second, 1 to 1000, where a request has no `hz`.
   * @default 100, or the rate of `flightRecorder`
   */
  cpuProfileRate?: number;
  /**
   * Whether V8's CPU profiler goes on running when a capture has ended. To start it holds the event loop for 40 to 1,000 ms,
   * the longer the more code there is; while it runs, a capture begins and ends in about one. It also does
   * not know code that V8 has replaced on the stack before it was started.
   *
   * `'auto'`: for two minutes after a capture, so that a scraper has it started once. `'always'`: from the boot on.
   * `'off'`: never. Meanwhile captures are taken by the inspector, unless `sampler` is `'pprof'`, and a call of
   * `console.*` takes 15 to 30 µs longer, since a session with the inspector is connected.
   * @default 'auto'
   */
  warm?: 'auto' | 'always' | 'off';
  /**
   * With `warm: 'always'`: the samples of the last seconds are kept, for `profile?past=30`.
   * @default undefined, nothing is kept
   */
  flightRecorder?: PprofFlightRecorderOptions;
  /**
   * Mean number of bytes between two samples of the heap; 0: the heap is not sampled.
   * @default 524288
   */
  memProfileRate?: number;
  /**
   * `'window'`: `allocs?seconds=N` shows all that was allocated in the window, dead or alive; V8's one heap sampler forgets
   * what was alive before it. `'off'`: V8 is left alone, and such a window shows a lower bound.
   * @default 'window'
   */
  allocs?: 'window' | 'off';
  /**
   * `block`: one wait in so many is measured, and counts for as many; 0: none.
   * @default 0
   */
  blockProfileRate?: number;
  /**
   * `mutex`: holds of the event loop that are longer, in ms; 0: none. V8's CPU profiler runs all the time for it, as
   * with `warm: 'always'`.
   * @default 0
   */
  mutexProfileThreshold?: number;
  /**
   * `goroutine` and `goroutineleak`: one `await` in so many is tracked, and counts for as many; 0: none.
   * @default 0
   */
  goroutineProfileRate?: number;
  /**
   * Frames show the source that a person wrote, where a source map says which.
   * @default true
   */
  sourceMaps?: boolean;
  /**
   * Comments for each profile, beside those of the module: service, version, commit.
   * @default []
   * @example [`service ${name}`, `commit ${process.env.GIT_SHA}`]
   */
  profileComments?: readonly string[];
}

/** What `profile?past=` can answer. */
export interface PprofFlightRecorderOptions {
  /**
   * How many of the last seconds are kept, 1 to 600.
   * @default 60
   */
  readonly seconds?: number;
  /**
   * Samples per second, 1 to 1000.
   * @default 100
   */
  readonly hz?: number;
}

/** A port of the endpoints' own. */
export interface PprofListenOptions {
  /** 0 to 65535; 0 picks a free port. The log has the address. */
  readonly port: number;
  /**
   * A name or an address of this machine. One that other machines reach requires `guards`.
   * @default '127.0.0.1'
   */
  readonly host?: string;
}

/** What shapes the module, and so has to be known before it exists, in `forRootAsync` too. */
export interface PprofModuleExtras {
  /**
   * Where the endpoints are; a global prefix comes before it.
   * @default 'debug/pprof'
   */
  path?: string;
  /**
   * Guards for every endpoint, after the application's global ones: classes that the application provides anywhere,
   * or instances. With none, the endpoints answer only programs on the same machine, and on the application's port nobody
   * in production.
   * @default []
   */
  guards?: readonly (Type<CanActivate> | CanActivate)[];
  /**
   * Interceptors for every endpoint, classes or instances. What they see is the capture itself, from its begin to its
   * end. The application's global interceptors see only its begin.
   * @default []
   */
  interceptors?: readonly (Type<NestInterceptor> | NestInterceptor)[];
  /**
   * Class decorators for every endpoint's controller, such as `SkipThrottle()` or `Public()`.
   * @default []
   */
  decorators?: readonly ClassDecorator[];
  /**
   * Modules whose exports the guards and interceptors need, where nobody else provides them.
   * @default []
   */
  imports?: (Type | DynamicModule | Promise<DynamicModule> | ForwardReference)[];
  /**
   * `true`: every module can inject `ProfilerService` without importing this one.
   * @default false
   */
  isGlobal?: boolean;
  /**
   * Serves the endpoints on a port of their own and not on the application's. The global prefix does not apply to them.
   *
   * An application without HTTP (`createMicroservice`, `createApplicationContext`) has them there too, without the
   * controllers of its own (`@PprofEndpoint`), for which there is no router: they return 404. The guards and
   * interceptors are those of the module; global ones, which expect messages, are not asked.
   * @default undefined, the application's port
   * @example { port: 6060 }
   */
  listen?: PprofListenOptions;
}

/** What shapes the module, with its defaults. */
export interface ResolvedPprofExtras extends Required<Omit<PprofModuleExtras, 'listen'>> {
  readonly listen: Required<PprofListenOptions> | undefined;
}

/** Options of `PprofModule.forRoot`. */
export interface PprofModuleOptions extends PprofRuntimeOptions, PprofModuleExtras {}

/** For `forRootAsync({ useClass })` and `{ useExisting }`. */
export interface PprofOptionsFactory {
  createPprofOptions(): PprofRuntimeOptions | Promise<PprofRuntimeOptions>;
}

/** The run-time options with their defaults. */
export interface ResolvedPprofOptions extends Readonly<
  Required<Omit<PprofRuntimeOptions, 'flightRecorder'>>
> {
  readonly flightRecorder: Required<PprofFlightRecorderOptions> | undefined;
}

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
    takes: `an object { seconds, hz } with whole numbers from 1 to 600 and from ${CPU_RATE.min} to ${CPU_RATE.max}`,
    accepts: (value) =>
      isRecord(value) &&
      Object.keys(value).every((key) => ['seconds', 'hz'].includes(key)) &&
      (value.seconds === undefined || isInteger(1, 600)(value.seconds)) &&
      (value.hz === undefined || isInteger(CPU_RATE.min, CPU_RATE.max)(value.hz)),
  },
  memProfileRate: {
    fallback: DEFAULT_HEAP_RATE,
    takes: 'a whole number of bytes from 1 to 2147483647, or 0 for no heap sampling',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  allocs: {
    fallback: 'window',
    takes: '"window" or "off"',
    accepts: (value) => ['window', 'off'].includes(value as string),
  },
  blockProfileRate: {
    fallback: 0,
    takes: 'a whole number n, for one wait in n, or 0 for none',
    accepts: isInteger(0, 0x7fff_ffff),
  },
  mutexProfileThreshold: {
    fallback: 0,
    takes: 'a number of milliseconds from 10 to 60000, or 0 for none',
    accepts: (value) => value === 0 || isNumber(10, 60_000)(value),
  },
  goroutineProfileRate: {
    fallback: 0,
    takes: 'a whole number n, for one await in n, or 0 for none',
    accepts: isInteger(0, 0x7fff_ffff),
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
      'an object { port, host } with a whole number from 0 to 65535 and a name or address of this machine',
    accepts: (value) =>
      isRecord(value) &&
      Object.keys(value).every((key) => ['port', 'host'].includes(key)) &&
      isInteger(0, 65_535)(value.port) &&
      (value.host === undefined || (typeof value.host === 'string' && value.host !== '')),
  },
};

/** The defaults of what shapes the module. */
export const DEFAULT_EXTRAS = defaultsOf(EXTRAS_RULES) as Readonly<ResolvedPprofExtras>;

/**
 * Checks what shapes the module and fills in defaults; other options that stand beside it are left alone.
 *
 * @throws Error that names the option, what it got, and what it takes
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
      `PprofModule: the option "listen" has the host "${host}": a host other than loopback requires the option "guards"`,
    );
  }
  return { port, host };
}

/** Whether only programs on this machine reach an address. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

/**
 * Checks a rate that is set at run time, by the rule of its option.
 *
 * @returns what is wrong with it; undefined if nothing is
 */
export function rateProblem(option: RateOption, value: unknown): string | undefined {
  const { accepts, takes } = RUNTIME_RULES[option];
  return accepts(value) ? undefined : `invalid rate ${shown(value)}: ${option} takes ${takes}`;
}

/** Options that switch a profile on. */
export type RateOption = 'blockProfileRate' | 'mutexProfileThreshold' | 'goroutineProfileRate';

/**
 * Checks the run-time options and fills in defaults.
 *
 * @throws Error that names the option, what it got, and what it takes
 */
export function resolveRuntimeOptions(options: PprofRuntimeOptions): ResolvedPprofOptions {
  const { flightRecorder, ...given } = resolve(RUNTIME_RULES, options) as ResolvedPprofOptions;
  const rest = { ...given, endpoints: { ...defaultEndpoints(), ...given.endpoints } };
  if (!flightRecorder) return { ...rest, flightRecorder };
  if (rest.warm !== 'always')
    throw new Error('PprofModule: the option "flightRecorder" requires warm: "always"');
  const { seconds = 60, hz = 100 } = flightRecorder;
  if ((options.cpuProfileRate ?? hz) !== hz) {
    throw new Error(
      `PprofModule: the option "cpuProfileRate" is ${options.cpuProfileRate}, and the rate of "flightRecorder" ${hz}: both are the rate of V8's one warm profiler`,
    );
  }
  return { ...rest, cpuProfileRate: hz, flightRecorder: { seconds, hz } };
}

/** Endpoints that are on or off where the options do not say. */
function defaultEndpoints(): Readonly<Record<string, boolean>> {
  return { heapsnapshot: process.env.NODE_ENV !== 'production' };
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
