import { Injectable, Optional } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { type FunctionLocation, locateFunctions } from '../../sampling/function-locations.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { type HoldMeter, runSliced } from '../loop.js';

type AnyFunction = (...args: never[]) => unknown;
type AnyClass = abstract new (...args: never[]) => unknown;

/** Returns the class of a frame's method, if it is a class that Nest instantiates. */
export type ClassNameOf = (frame: RawFrame) => string | undefined;

/** Frames between two yields. */
const SLICE = 200;

interface Candidate {
  readonly className: string;
  readonly method: AnyFunction;
}

interface Method extends Candidate {
  readonly location: FunctionLocation;
}

/**
 * Finds the classes of methods: V8's profiles contain `findOne`, but readers search for `CatsController.findOne`. Matches V8's
 * frames with the classes in Nest's container by the location at which a method begins.
 */
@Injectable()
export class ClassNames {
  /** Locations of functions, which never change; null if V8 has none. */
  private readonly locations = new WeakMap<AnyFunction, FunctionLocation | null>();

  constructor(@Optional() private readonly discovery?: DiscoveryService) {}

  /** Finds the methods whose names occur in these frames. Each takes about 40 µs, once. */
  load(frames: readonly RawFrame[], holds: HoldMeter): Promise<ClassNameOf> {
    return runSliced(this.find(frames), holds);
  }

  private *find(frames: readonly RawFrame[]): Generator<void, ClassNameOf> {
    const names = new Set<string>();
    for (const [i, { functionName }] of frames.entries()) {
      if (i % SLICE === SLICE - 1) yield;
      names.add(functionName);
    }
    const candidates: Candidate[] = [];
    for (const type of this.classes()) {
      yield;
      candidates.push(...methodsOf(type).filter(({ method }) => names.has(method.name)));
    }
    yield* this.locate(candidates.map(({ method }) => method));
    return finder(
      candidates.flatMap((candidate) => {
        const location = this.locations.get(candidate.method);
        return location ? [{ ...candidate, location }] : [];
      }),
    );
  }

  /**
   * The classes that Nest instantiates, and their base classes: controllers, their guards, pipes and interceptors, and providers.
   */
  private classes(): Set<AnyClass> {
    const classes = new Set<AnyClass>();
    if (!this.discovery) return classes;
    const controllers = this.discovery.getControllers();
    const enhancers = controllers.flatMap((wrapper) => wrapper.getEnhancersMetadata() ?? []);
    for (const { metatype, inject } of [...controllers, ...this.discovery.getProviders(), ...enhancers]) {
      let type: unknown = inject ? undefined : metatype; // with `inject` it is a factory
      for (; isClass(type) && !classes.has(type); type = Object.getPrototypeOf(type)) classes.add(type);
    }
    return classes;
  }

  private *locate(functions: readonly AnyFunction[]): Generator<void> {
    const unknown = functions.filter((fn) => !this.locations.has(fn));
    if (unknown.length === 0) return;
    try {
      const locations = yield* locateFunctions(unknown);
      unknown.forEach((fn, i) => this.locations.set(fn, locations[i] ?? null));
    } catch {
      // No inspector: frames are shown without class names.
    }
  }
}

function isClass(type: unknown): type is AnyClass {
  return typeof type === 'function' && type !== Function.prototype && typeof type.prototype === 'object';
}

/** Methods and accessors of a class, including static ones. Enumerable properties are not methods. */
function methodsOf(type: AnyClass): Candidate[] {
  return [type.prototype as object, type].flatMap((holder) =>
    Reflect.ownKeys(holder).flatMap((key) => {
      const { value, get, set, enumerable } = Object.getOwnPropertyDescriptor(holder, key)!;
      if (enumerable || key === 'constructor') return [];
      return [value as unknown, get, set]
        .filter((fn): fn is AnyFunction => typeof fn === 'function')
        .map((fn) => ({ className: type.name, method: fn }));
    }),
  );
}

/**
 * Matches by the location at which the method begins. If a frame does not have it (`pprof` reports the executing line instead),
 * matches by script and name, if the executing line is in this method or in another one of the script: V8 attributes lines of
 * inlined methods to the method that they are inlined into.
 */
function finder(methods: readonly Method[]): ClassNameOf {
  const byPlace = groupedBy(methods, ({ location }) => placeKey(location));
  const byScript = groupedBy(methods, ({ location }) => String(location.scriptId));
  const byName = groupedBy(methods, ({ location, method }) => `${location.scriptId}:${method.name}`);
  return ({ functionName, scriptId, functionLine: line, functionColumn: column, line: executing }) => {
    if (line > 0) return theClass(byPlace.get(placeKey({ scriptId, line, column })));
    const namesakes = byName.get(`${scriptId}:${functionName}`);
    if (!namesakes) return undefined;
    const covering = byScript.get(String(scriptId))!.filter((method) => covers(method, executing));
    const own = theClass(covering.filter(({ method }) => method.name === functionName));
    return own ?? (covering.length > 0 ? theClass(namesakes) : undefined);
  };
}

function groupedBy(methods: readonly Method[], keyOf: (method: Method) => string): Map<string, Method[]> {
  const groups = new Map<string, Method[]>();
  for (const method of methods) {
    const group = groups.get(keyOf(method)) ?? [];
    group.push(method);
    groups.set(keyOf(method), group);
  }
  return groups;
}

function placeKey({ scriptId, line, column }: FunctionLocation): string {
  return `${scriptId}:${line}:${column}`;
}

/** The class if it is unambiguous. Several classes can share a function, such as a decorator's wrapper. */
function theClass(methods: readonly Method[] = []): string | undefined {
  const names = new Set(methods.map(({ className }) => className));
  return names.size === 1 ? [...names][0] : undefined;
}

function covers({ method, location }: Method, line: number): boolean {
  return line >= location.line && line < location.line + method.toString().split('\n').length;
}
