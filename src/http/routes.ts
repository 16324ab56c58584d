import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import {
  type CanActivate,
  Inject,
  Injectable,
  type NestInterceptor,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import {
  ApplicationConfig,
  DiscoveryService,
  HttpAdapterHost,
  ModuleRef,
  ModulesContainer,
} from '@nestjs/core';
import {
  PPROF_EXTRAS,
  PPROF_OPTIONS,
  type PprofListenOptions,
  type ResolvedPprofExtras,
  type ResolvedPprofOptions,
} from '../pprof.options.js';
import { GO_PROFILES, ProfileRegistry } from '../profiling/profile-registry.js';
import { type Endpoint, endpointOf, placedAt, placesOf } from './endpoint.js';
import { handlerName } from './handler-names.js';
import { type Injected, injectedOf } from './injected.js';
import { type Handler, type NestRoute, nestRoutes } from './nest-routes.js';
import { refuse } from './refusal.js';
import { RefusalLog } from './refusal-log.js';
import { type RoutedRequest, routedRequest } from './request.js';

/** What shapes a module, with the controllers that were made for it. */
export interface RoutesExtras extends ResolvedPprofExtras {
  /** Where the router has the controllers. */
  readonly routerPath: string;
  readonly controllers: readonly Type[];
}

/** A controller of ours. */
interface EndpointController {
  serve(request: object): unknown;
}

/** The part of a request that says which endpoint it is for. */
type Asked = Pick<RoutedRequest, 'kind' | 'name' | 'method'>;

/** Classes made by {@link controllersAt}, as opposed to the controllers that users list themselves. */
const ownControllers = new WeakSet<object>();

/** What the modules of one application have to agree on. */
interface Application {
  /** Where the router has them. */
  readonly paths: Set<string>;
  /** Users' endpoints and the paths that they are at. */
  readonly placed: Map<Type, string[]>;
}

const applications = new WeakMap<ModulesContainer, Application>();

/** Endpoints on a port of their own are where nobody on the application's port finds them. */
export function routerPathOf({ path, listen }: Pick<ResolvedPprofExtras, 'path' | 'listen'>): string {
  return listen ? joined(randomUUID(), path) : path;
}

/**
 * A class of its own for each controller and module: Nest keeps a controller's path on the class, and two modules, or
 * two applications in one process, have two paths.
 */
export function controllersAt(
  { routerPath, decorators }: Pick<RoutesExtras, 'routerPath' | 'decorators'>,
  controllers: readonly Type[],
): Type[] {
  return controllers.map((controller) => {
    const AtPath = class extends controller {};
    Object.defineProperty(AtPath, 'name', { value: controller.name }); // for logs
    placedAt(placesOf(controller).map((place) => joined(routerPath, place)))(AtPath);
    for (const decorate of decorators) decorate(AtPath);
    ownControllers.add(AtPath);
    return AtPath;
  });
}

/** The endpoints of one module, at its path in one application: which are on, and who guards them. */
@Injectable()
export class Routes implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  /** Where clients have the endpoints. */
  readonly path: string;
  readonly routerPath: string;
  /** The port of their own, if they have one. */
  readonly listen: Required<PprofListenOptions> | undefined;
  /** `NODE_ENV` at boot, for the application's port, to which a proxy may lead. */
  readonly production: boolean;
  guards: readonly Injected<CanActivate>[] = [];
  interceptors: readonly Injected<NestInterceptor>[] = [];
  readonly refusals = new RefusalLog();
  /** The application shuts down: connections are not kept. */
  closing = false;
  private readonly application: Application;
  private readonly users: readonly Type[];
  private readonly byName: ReadonlyMap<string, Type>;
  private mapped: readonly NestRoute[] = [];

  /** @throws Error if another module has the path, or two endpoints one name */
  constructor(
    @Inject(PPROF_EXTRAS) private readonly extras: RoutesExtras,
    @Inject(PPROF_OPTIONS) readonly options: ResolvedPprofOptions,
    private readonly registry: ProfileRegistry,
    private readonly moduleRef: ModuleRef,
    private readonly host: HttpAdapterHost,
    private readonly config: ApplicationConfig,
    private readonly discovery: DiscoveryService,
    container: ModulesContainer,
  ) {
    this.path = extras.path;
    this.routerPath = extras.routerPath;
    this.listen = extras.listen;
    this.production = !extras.listen && process.env.NODE_ENV === 'production';
    this.application = applications.get(container) ?? { paths: new Set(), placed: new Map() };
    applications.set(container, this.application);
    if (this.application.paths.has(this.routerPath)) {
      throw new Error(
        `PprofModule: two modules have the path "${this.path}"; give each its own, or import one of them (PprofModule without forRoot is one, too)`,
      );
    }
    this.application.paths.add(this.routerPath);
    // Here and not in a hook: Nest reads the controllers' paths before it calls any.
    this.users = usersEndpoints(discovery);
    for (const controller of this.users) this.place(controller);
    this.byName = byName([...extras.controllers, ...this.users]);
    registry.reserve(this.byName.keys());
  }

  async onModuleInit(): Promise<void> {
    this.guards = await injectedOf<CanActivate>(this.moduleRef, 'guard', this.extras.guards);
    this.interceptors = await injectedOf<NestInterceptor>(
      this.moduleRef,
      'interceptor',
      this.extras.interceptors,
    );
  }

  /**
   * Only now all profiles are known.
   *
   * @throws Error if an endpoint has the name of a profile, or `endpoints` names one that does not exist
   */
  onApplicationBootstrap(): void {
    const taken = this.users.find((controller) => this.registry.lookup(endpointOf(controller)!.name));
    if (taken) throw nameTaken(taken);
    const profiles = this.registry.profiles().map(({ name }) => name);
    const known = new Set([...this.byName.keys(), ...profiles]);
    const unknown = Object.keys(this.options.endpoints).find((name) => !known.has(name));
    if (unknown !== undefined) {
      throw new Error(
        `PprofModule: unknown endpoint "${unknown}" in the option "endpoints"; known endpoints: ${[...known].filter(Boolean).join(', ')}`,
      );
    }
  }

  onModuleDestroy(): void {
    this.closing = true;
  }

  /** Those that are switched on. */
  get endpoints(): Endpoint[] {
    return [...this.byName.keys()].filter((name) => this.isOn(name)).map((name) => this.endpoint(name)!);
  }

  /** The endpoint of that name, if it exists and is switched on. */
  endpoint(name: string): Endpoint | undefined {
    const controller = this.isOn(name) ? this.byName.get(this.nameAt(name)) : undefined;
    return controller && endpointOf(controller);
  }

  /**
   * Asks Nest for its routes to the endpoints, when it has them.
   *
   * @returns the paths under which they are, in Nest's syntax
   */
  map(): string[] {
    const ours = new Set<unknown>([...this.extras.controllers, ...this.users]);
    const wrappers = this.discovery.getControllers().filter(({ metatype }) => ours.has(metatype));
    this.mapped = nestRoutes(this.moduleRef, this.config, wrappers);
    const bases = this.mapped.map((route) => this.baseOf(route)).filter((base) => base !== undefined);
    return [...new Set(bases)];
  }

  /** Nest's handler for a request: it asks the application's global guards before our own, and so on. */
  handlerFor(asked?: Asked): Handler {
    const controller = (asked && this.controllerFor(asked)) ?? this.profiles;
    const routes = this.mapped.filter((route) => route.controller === controller);
    const other = asked?.method === 'POST' ? 'GET' : 'POST'; // and HEAD goes with GET
    return (routes.find(({ method }) => method !== other) ?? routes[0]!).handler;
  }

  /** The route of a request and the name of its handler, as {@link RequestTracker} shows them. */
  match(asked: Asked & Pick<RoutedRequest, 'base'>): { route: string; handler: string | undefined } {
    const controller = this.controllerFor(asked);
    const name = controller && this.mapped.length > 0 ? handlerName(this.handlerFor(asked)) : undefined;
    return { route: controller ? `${asked.base}/${asked.name}` : `${asked.base}/`, handler: name };
  }

  /** The controller that replies to a request; undefined if none accepts it. */
  controllerFor({ kind, name, method }: Asked): Type | undefined {
    const get = method === 'HEAD' ? 'GET' : method;
    if (kind !== 'name' || !this.isOn(name)) return undefined;
    const methods: readonly string[] = this.endpoint(name)?.methods ?? ['GET'];
    if (!methods.includes(get)) return undefined;
    return this.byName.get(this.nameAt(name)) ?? (this.registry.lookup(name) && this.profiles);
  }

  /** The controller of the named profiles, and of what no controller accepts. */
  get profiles(): Type {
    return this.extras.controllers.find((controller) => !endpointOf(controller))!;
  }

  /** Whether the application's parsers are to read the body of a request: for an endpoint of the user's. */
  readsBody(asked: Asked): boolean {
    return asked.method === 'POST' && this.users.some((user) => user === this.controllerFor(asked));
  }

  /**
   * Calls the endpoint of the library that a request asks for.
   *
   * @throws HttpException with Go's text if there is none
   */
  async serve(request: object): Promise<unknown> {
    const routed = routedRequest(request)!;
    const controller = this.controllerFor(routed);
    if (!controller || !ownControllers.has(controller)) return refuse(routed);
    return (await this.moduleRef.resolve<EndpointController>(controller)).serve(request);
  }

  /** The name of the endpoint or profile at a path: that of the endpoint above it, if that has files. */
  private nameAt(path: string): string {
    if (this.registry.lookup(path)) return path;
    const above = path.split('/', 1)[0]!;
    const controller = this.byName.get(above);
    return controller && endpointOf(controller)!.hasFiles ? above : path;
  }

  /** Whether the options leave a name on; there may be nothing of that name. */
  isOn(path: string): boolean {
    const { enabled, endpoints, cmdline, ui } = this.options;
    const name = this.nameAt(path);
    const isOff = { cmdline: cmdline === false, flamegraph: !ui }[name] ?? false;
    return enabled && !isOff && endpoints[name] !== false && this.isRouted(name);
  }

  /** Users' endpoints need the application's router. */
  private isRouted(name: string): boolean {
    const controller = this.byName.get(name);
    return !controller || ownControllers.has(controller) || httpServerOf(this.host) !== undefined;
  }

  /** An endpoint of the user's is at the paths of all modules of its application. */
  private place(controller: Type): void {
    const { placed } = this.application;
    const paths = [...(placed.get(controller) ?? []), joined(this.routerPath, endpointOf(controller)!.name)];
    placed.set(controller, paths);
    placedAt(paths)(controller);
    for (const decorate of this.extras.decorators) decorate(controller);
  }

  /** The path of a route without the endpoint's name; undefined if it is at another module's path. */
  private baseOf({ controller, path }: NestRoute): string | undefined {
    const names = [endpointOf(controller)?.name ?? GO_PROFILES].flat();
    const name = names.find((one) => path.endsWith(`/${joined(this.routerPath, one)}`));
    if (name === undefined) return undefined;
    const base = name ? path.slice(0, -name.length - 1) : path;
    const isOthers = [...this.application.paths].some(
      (other) => other.length > this.routerPath.length && base.endsWith(`/${other}`),
    );
    return isOthers && !ownControllers.has(controller) ? undefined : base;
  }
}

/** Undefined in an application without HTTP. */
export function httpServerOf(host: HttpAdapterHost): Server | undefined {
  const server = host.httpAdapter?.getHttpServer?.() as Server | undefined;
  return typeof server?.prependListener === 'function' ? server : undefined;
}

function usersEndpoints(discovery: DiscoveryService): Type[] {
  const types = discovery.getControllers().map(({ metatype }) => metatype as Type | null);
  return [...new Set(types)].filter(
    (type) => type !== null && endpointOf(type) !== undefined && !ownControllers.has(type),
  ) as Type[];
}

function byName(controllers: readonly Type[]): Map<string, Type> {
  const endpoints = new Map<string, Type>();
  for (const controller of controllers) {
    const endpoint = endpointOf(controller);
    if (!endpoint) continue;
    if (endpoints.has(endpoint.name)) throw nameTaken(controller);
    endpoints.set(endpoint.name, controller);
  }
  return endpoints;
}

function nameTaken(controller: Type): Error {
  const { name } = endpointOf(controller)!;
  return new Error(`PprofModule: the endpoint name "${name}" of ${controller.name} is taken`);
}

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join('/');
}
