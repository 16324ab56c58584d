import type { CanActivate, DynamicModule, ForwardReference, NestInterceptor, Type } from '@nestjs/common';
import type { SamplerName } from '../sampling/sampler.js';

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
   * `false`: every endpoint answers Go's 404, after the guards, and the heap is not sampled.
   * @default true
   */
  enabled?: boolean;
  /**
   * Endpoints by name; `false` makes one answer Go's 404.
   * @default all on
   * @example { cmdline: false }
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
   * @default 100
   */
  cpuProfileRate?: number;
  /**
   * Mean number of bytes between two samples of the heap; 0: the heap is not sampled.
   * @default 524288
   */
  memProfileRate?: number;
  /**
   * `block` tells one wait in so many, at random: 1 for all; 0: none, but for as long as a request with `seconds=N` asks.
   * @default 0
   */
  blockProfileRate?: number;
  /**
   * `goroutine` and `goroutineleak` track one `await` in so many, at random: 1 for all; 0: none, but for as long as a request
   * with `seconds=N` asks.
   * @default 0
   */
  goroutineProfileRate?: number;
  /**
   * Milliseconds. `mutex` tells what holds the event loop for longer; 0: nothing, but for as long as a request with
   * `seconds=N` asks, what holds it for more than 50 ms.
   * @default 0
   */
  mutexProfileThreshold?: number;
  /**
   * Whether `allocs?seconds=N` may be asked: V8's one heap sampler then forgets what was alive before the window, which
   * `heap` shows as one frame afterwards. `off`: such a request is refused.
   * @default 'window'
   */
  allocs?: 'window' | 'off';
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

/** Where the endpoints are on a port of their own. */
export interface ListenOptions {
  readonly port: number;
  /** @default '127.0.0.1' */
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
   * A port of their own for the endpoints, as Go advises: then they are not on the application's. The host is this
   * machine alone unless it is named, and another one takes `guards`. Port 0: a free one, which the log tells.
   * @default on the application's port
   * @example { port: 6060 }
   */
  listen?: ListenOptions;
  /**
   * Guards for every endpoint, after the application's global ones: classes that the application provides anywhere,
   * or instances. With none, the endpoints answer only programs on the same machine, and nobody in production.
   * @default []
   */
  guards?: readonly (Type<CanActivate> | CanActivate)[];
  /**
   * Interceptors for every endpoint, classes or instances. What they see is the capture itself, from its begin to its
   * end; of `trace`, which is sent while it goes on, they see the begin. The application's global interceptors see only
   * the begin of all.
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
}

/** Options of `PprofModule.forRoot`. */
export interface PprofModuleOptions extends PprofRuntimeOptions, PprofModuleExtras {}

/** For `forRootAsync({ useClass })` and `{ useExisting }`. */
export interface PprofOptionsFactory {
  createPprofOptions(): PprofRuntimeOptions | Promise<PprofRuntimeOptions>;
}

/** What shapes the module, with its defaults. */
export interface ResolvedPprofExtras extends Readonly<Required<Omit<PprofModuleExtras, 'listen'>>> {
  readonly listen: Required<ListenOptions> | undefined;
}

/** The run-time options with their defaults. */
export type ResolvedPprofOptions = Readonly<Required<PprofRuntimeOptions>>;
