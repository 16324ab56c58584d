import { randomUUID } from 'node:crypto';
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
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import type {
  ListenOptions,
  ResolvedPprofExtras,
  ResolvedPprofOptions,
} from '../interfaces/pprof-options.interface.js';
import { PPROF_EXTRAS, PPROF_OPTIONS } from '../pprof.constants.js';
import { ProfileRegistry } from '../profiling/profile-registry.js';
import { type Delegate, delegatesOf } from './delegates.js';
import { type Endpoint, endpointOf, placedAt } from './endpoint.js';

/** Where requests go that are at our path and at none of its endpoints. */
export const FALLBACK = '_';

/** What shapes a module, with the controllers that were made for it. */
export interface MountExtras extends ResolvedPprofExtras {
  /** Where the application's router has the endpoints. */
  readonly route: string;
  readonly controllers: readonly Type[];
}

/** Classes made by {@link mounted}, as opposed to the controllers that users list themselves. */
const mountedClasses = new WeakSet<object>();

/** What the modules of one application have to agree on. */
interface Application {
  readonly mountPaths: Set<string>;
  /** Users' endpoints and the paths they are at. */
  readonly placed: Map<Type, string[]>;
}

const applications = new WeakMap<ModulesContainer, Application>();

/**
 * A class of its own for each controller and module: Nest keeps a controller's path on the class, and two modules, or
 * two applications in one process, have two paths.
 */
export function mounted(
  route: string,
  decorators: readonly ClassDecorator[],
  controllers: readonly Type[],
): Type[] {
  return controllers.map((controller) => {
    const Mounted = class extends controller {};
    Object.defineProperty(Mounted, 'name', { value: controller.name }); // for logs
    placedAt([joined(route, endpointOf(controller)?.name ?? FALLBACK)])(Mounted);
    for (const decorate of decorators) decorate(Mounted);
    mountedClasses.add(Mounted);
    return Mounted;
  });
}

/** With a port of their own the endpoints are where nobody on the application's port finds them. */
export function routeOf({ path, listen }: ResolvedPprofExtras): string {
  return listen ? joined(randomUUID(), path) : path;
}

/** One module at its path in one application: its endpoints, and who guards them. */
@Injectable()
export class PprofMount implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly path: string;
  readonly route: string;
  /** The port of their own, if they have one. */
  readonly listen: Required<ListenOptions> | undefined;
  /** As it was at boot. */
  readonly production = process.env.NODE_ENV === 'production';
  guards: readonly Delegate<CanActivate>[] = [];
  interceptors: readonly Delegate<NestInterceptor>[] = [];
  /** The application shuts down: connections are not kept. */
  closing = false;
  private readonly byName: ReadonlyMap<string, Endpoint>;
  private readonly users: readonly Type[];

  /** @throws Error if another module has the path, or two endpoints one name */
  constructor(
    @Inject(PPROF_EXTRAS) private readonly extras: MountExtras,
    @Inject(PPROF_OPTIONS) readonly options: ResolvedPprofOptions,
    private readonly moduleRef: ModuleRef,
    private readonly registry: ProfileRegistry,
    modules: ModulesContainer,
  ) {
    this.path = extras.path;
    this.route = extras.route;
    this.listen = extras.listen;
    const application = applications.get(modules) ?? { mountPaths: new Set(), placed: new Map() };
    applications.set(modules, application);
    if (application.mountPaths.has(this.route)) {
      throw new Error(`PprofModule: two modules have the path "${this.path}"; give each its own`);
    }
    application.mountPaths.add(this.route);
    // Here and not in a hook: Nest reads the controllers' paths before it calls any.
    this.users = usersEndpoints(modules);
    for (const controller of this.users) this.place(controller, application.placed);
    this.byName = byName([...extras.controllers, ...this.users]);
  }

  async onModuleInit(): Promise<void> {
    this.guards = await delegatesOf<CanActivate>(this.moduleRef, this.extras.guards);
    this.interceptors = await delegatesOf<NestInterceptor>(this.moduleRef, this.extras.interceptors);
  }

  /**
   * Only now all profiles are known.
   *
   * @throws Error if an endpoint has the name of a profile, or `endpoints` names what is not there
   */
  onApplicationBootstrap(): void {
    const taken = this.users.find((controller) => this.registry.lookup(endpointOf(controller)!.name));
    if (taken) throw nameTaken(taken);
    const profiles = this.registry.profiles().map(({ name }) => name);
    const known = new Set([...this.byName.keys(), ...profiles]);
    const unknown = Object.keys(this.options.endpoints).find((name) => !known.has(name));
    if (unknown !== undefined) {
      throw new Error(
        `PprofModule: the option "endpoints" names "${unknown}"; there are ${[...known].filter(Boolean).join(', ')}`,
      );
    }
  }

  onModuleDestroy(): void {
    this.closing = true;
  }

  /** Those that are switched on. */
  get endpoints(): Endpoint[] {
    return [...this.byName.values()].filter(({ name }) => this.isOn(name));
  }

  /** The endpoint of that name, if it is there and switched on. */
  endpoint(name: string): Endpoint | undefined {
    return this.isOn(name) ? this.byName.get(name) : undefined;
  }

  /** The endpoint that takes a request; HEAD goes with GET. */
  endpointFor(name: string, method: string): Endpoint | undefined {
    const endpoint = this.endpoint(name);
    return endpoint?.methods.some((taken) => taken === (method === 'HEAD' ? 'GET' : method))
      ? endpoint
      : undefined;
  }

  /** Whether the options leave it on; there may be no endpoint of that name. */
  isOn(name: string): boolean {
    const { enabled, endpoints, cmdline } = this.options;
    return enabled && endpoints[name] !== false && !(name === 'cmdline' && cmdline === false);
  }

  /** An endpoint of the user's is at the paths of all modules of its application. */
  private place(controller: Type, placed: Application['placed']): void {
    const paths = [...(placed.get(controller) ?? []), joined(this.route, endpointOf(controller)!.name)];
    placed.set(controller, paths);
    placedAt(paths)(controller);
    for (const decorate of this.extras.decorators) decorate(controller);
  }
}

function usersEndpoints(modules: ModulesContainer): Type[] {
  const found = new Set<Type>();
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) {
      if (metatype && endpointOf(metatype) && !mountedClasses.has(metatype)) found.add(metatype as Type);
    }
  }
  return [...found];
}

function byName(controllers: readonly Type[]): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  for (const controller of controllers) {
    const endpoint = endpointOf(controller);
    if (!endpoint) continue;
    if (endpoints.has(endpoint.name) || endpoint.name === FALLBACK) throw nameTaken(controller);
    endpoints.set(endpoint.name, endpoint);
  }
  return endpoints;
}

function nameTaken(controller: Type): Error {
  return new Error(
    `PprofModule: the endpoint name "${endpointOf(controller)!.name}" of ${controller.name} is taken`,
  );
}

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join('/');
}
