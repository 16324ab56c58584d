import { Injectable, Optional } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { type FunctionLocation, locateFunctions } from '../../sampling/function-locations.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { type HoldMeter, runSliced } from '../loop.js';

type AnyFunction = (...args: never[]) => unknown;
type AnyClass = abstract new (...args: never[]) => unknown;

/** The class that a frame's method belongs to, if it is one that the application injects. */
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
 * Finds the classes of methods: V8's profiles say `findOne`, a reader looks for `CatsController.findOne`. V8 and the
 * container of Nest agree on where a method begins.
 */
@Injectable()
export class ClassNames {
  /** Functions do not move; null for one that V8 has no place for. */
  private readonly locations = new WeakMap<AnyFunction, FunctionLocation | null>();

  constructor(@Optional() private readonly discovery?: DiscoveryService) {}

  /** Looks for the methods whose names are in these frames; to find one takes some 40 µs, once. */
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
   * The classes that Nest makes instances of, and those they extend: controllers, their guards, pipes and interceptors, and
   * providers.
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
      // No inspector: a frame without its class is better than none.
    }
  }
}

function isClass(type: unknown): type is AnyClass {
  return typeof type === 'function' && type !== Function.prototype && typeof type.prototype === 'object';
}

/** The methods and accessors of a class, its static ones too; what is enumerable is a property that holds a function. */
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
 * By the place where the method begins. Where a frame does not have that (`pprof` says which line was executing), by
 * script, name, and the lines from the method's first to its last, or those of another method: V8 gives a method the lines
 * of what it has inlined.
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

/** A function that several classes have, such as a decorator's wrapper, is nobody's. */
function theClass(methods: readonly Method[] = []): string | undefined {
  const names = new Set(methods.map(({ className }) => className));
  return names.size === 1 ? [...names][0] : undefined;
}

function covers({ method, location }: Method, line: number): boolean {
  return line >= location.line && line < location.line + method.toString().split('\n').length;
}
