// Contestants in turns: all are started, then each takes its turn in every round, so that what the machine does besides
// falls on all of them.
import { startChild } from './child.mjs';

const AT_A_TIME = 2; // what starts at the same time; measuring is one at a time

/**
 * Starts a process for each name.
 *
 * @param optionsOf what to tell it, and how to run it
 * @returns those that run, by name; `failed` takes the reasons of the others
 */
export async function startAll(script, names, optionsOf, failed) {
  const children = new Map();
  const waiting = [...names];
  const starter = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { run, ...options } = optionsOf(name);
      const child = await startChild(script, options, run);
      if (child.error) failed.set(name, child.error);
      else children.set(name, child);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, starter));
  return new Map(names.filter((name) => children.has(name)).map((name) => [name, children.get(name)]));
}

/** Lets each child take its turn in every round; whoever goes first changes. One that fails is out. */
export async function takeTurns(children, rounds, failed, turn) {
  for (let round = 0; round < rounds; round++) {
    for (const [name, child] of rotated([...children], round)) {
      if (failed.has(name)) continue;
      try {
        await turn(name, child, round);
      } catch (error) {
        failed.set(name, error.message);
      }
    }
  }
}

export async function endAll(children) {
  for (const child of children.values()) await child.end();
}

/** Numbers by contestant and by what was measured. */
export class Series {
  #values = new Map();

  add(name, what, value) {
    this.of(name, what).push(value);
  }

  of(name, what) {
    const key = `${name}\0${what}`;
    if (!this.#values.has(key)) this.#values.set(key, []);
    return this.#values.get(key);
  }
}

function rotated(list, by) {
  const first = by % (list.length || 1);
  return [...list.slice(first), ...list.slice(0, first)];
}
