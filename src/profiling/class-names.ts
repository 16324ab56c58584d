import { Injectable, Optional } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { type FunctionLocation, locateFunctions } from '../sampling/function-locations.js';
import type { RawFrame } from '../sampling/sampler.js';
import type { HoldMeter } from './hold-meter.js';
import { runSliced } from './slices.js';

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

/** Where a function is in its script. */
interface Extent extends FunctionLocation {
  readonly lastLine: number;
}

interface Method extends Candidate {
  readonly extent: Extent;
}

/**
 * Finds the classes of methods: V8's profiles say `findOne`, a reader looks for `CatsController.findOne`. V8 and the
 * container of Nest agree on where a method begins.
 */
@Injectable()
export class ClassNames {
  private readonly methods = new WeakMap<AnyClass, readonly Candidate[]>();
  /** Functions do not move; null for one that V8 has no place for. */
  private readonly extents = new WeakMap<AnyFunction, Extent | null>();

  constructor(@Optional() private readonly modules?: ModulesContainer) {}

  /** Looks for the methods whose names are in these frames; to find one takes some 40 µs, once. */
  async load(frames: readonly RawFrame[], holds: HoldMeter): Promise<ClassNameOf> {
    const candidates = await runSliced(this.candidates(frames), holds);
    await this.locate(
      candidates.map(({ method }) => method),
      holds,
    );
    const methods = candidates.flatMap((candidate) => {
      const extent = this.extents.get(candidate.method);
      return extent ? [{ ...candidate, extent }] : [];
    });
    return runSliced(finder(methods), holds);
  }

  /** The methods of all classes that Nest makes instances of, and of those they extend, as far as their names occur. */
  private *candidates(frames: readonly RawFrame[]): Generator<void, Candidate[]> {
    const names = new Set<string>();
    for (const [i, { functionName }] of frames.entries()) {
      if (i % SLICE === SLICE - 1) yield;
      names.add(functionName);
    }
    const seen = new Set<unknown>();
    const candidates: Candidate[] = [];
    for (const metatype of this.metatypes()) {
      yield;
      for (
        let type: unknown = metatype;
        isClass(type) && !seen.has(type);
        type = Object.getPrototypeOf(type)
      ) {
        seen.add(type);
        candidates.push(...this.methodsOf(type).filter(({ method }) => names.has(method.name)));
      }
    }
    return candidates;
  }

  private *metatypes(): Generator<unknown, void> {
    for (const { controllers, injectables, providers } of this.modules?.values() ?? []) {
      for (const wrappers of [controllers, injectables, providers]) {
        for (const { metatype, inject } of wrappers.values()) if (!inject) yield metatype; // else it is a factory
      }
    }
  }

  private methodsOf(type: AnyClass): readonly Candidate[] {
    let methods = this.methods.get(type);
    if (!methods) {
      methods = methodsOf(type);
      this.methods.set(type, methods);
    }
    return methods;
  }

  private async locate(functions: readonly AnyFunction[], holds: HoldMeter): Promise<void> {
    const unknown = functions.filter((fn) => !this.extents.has(fn));
    if (unknown.length === 0) return;
    const locations = await runSliced(locateFunctions(unknown), holds);
    await runSliced(this.remember(unknown, locations), holds);
  }

  private *remember(
    functions: readonly AnyFunction[],
    locations: readonly (FunctionLocation | undefined)[],
  ): Generator<void> {
    for (const [i, fn] of functions.entries()) {
      if (i % SLICE === SLICE - 1) yield;
      const location = locations[i];
      this.extents.set(fn, location ? { ...location, lastLine: location.line + linesOf(fn) - 1 } : null);
    }
  }
}

function linesOf(fn: AnyFunction): number {
  return fn.toString().split('\n').length;
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
function* finder(methods: readonly Method[]): Generator<void, ClassNameOf> {
  const byPlace = new Map<string, Method[]>();
  const byName = new Map<string, Method[]>();
  const byLine = new Map<string, Method[]>();
  const lines = new Set<string>();
  for (const [i, found] of methods.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    const { method, extent } = found;
    const script = extent.scriptId;
    grouped(byPlace, placeKey(extent)).push(found);
    grouped(byName, `${script}:${method.name}`).push(found);
    for (let line = extent.line; line <= extent.lastLine; line++) {
      grouped(byLine, `${script}:${line}:${method.name}`).push(found);
      lines.add(`${script}:${line}`);
    }
  }
  return ({ functionName, scriptId, functionLine: line, functionColumn: column, line: executing }) => {
    if (line > 0) return theClass(byPlace.get(placeKey({ scriptId, line, column })));
    const own = theClass(byLine.get(`${scriptId}:${executing}:${functionName}`));
    const isInlined = lines.has(`${scriptId}:${executing}`);
    return own ?? (isInlined ? theClass(byName.get(`${scriptId}:${functionName}`)) : undefined);
  };
}

function grouped(groups: Map<string, Method[]>, key: string): Method[] {
  let group = groups.get(key);
  if (!group) {
    group = [];
    groups.set(key, group);
  }
  return group;
}

function placeKey({ scriptId, line, column }: FunctionLocation): string {
  return `${scriptId}:${line}:${column}`;
}

/** A function that several classes have, such as a decorator's wrapper, is nobody's. */
function theClass(methods: readonly Method[] = []): string | undefined {
  const names = new Set(methods.map(({ className }) => className));
  return names.size === 1 ? [...names][0] : undefined;
}
