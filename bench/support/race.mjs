// Ours against peers and Go on profiles of several sizes: what encode.mjs and algebra.mjs share.
import { startGo } from './go.mjs';
import { absentRows, spread } from './report.mjs';
import { endAll, Series, startAll, takeTurns } from './rounds.mjs';
import { ratios, summary } from './statistics.mjs';

export const OURS = 'ours';
const GO = 'Go';

/** Contestants in turns. The first round of each process is apart, since a service seldom makes a profile. */
export class Race {
  #script;
  #names;
  #failed = new Map();
  /** Where a peer may be better. */
  comparisons = [];
  first;
  later;

  /** @param names what `children/<group>.mjs` knows; Go takes part too */
  constructor(group, names) {
    this.#script = `${group}.mjs`;
    this.#names = names;
    this.first = new Figures(group, this.comparisons);
    this.later = new Figures(group, this.comparisons);
  }

  /** A process for each contestant, and rounds of them all. `ask` gives the figures of a round. */
  async run(samples, rounds, ask) {
    const children = await startAll(this.#script, this.#names, (name) => ({ name }), this.#failed);
    await this.#addGo(children);
    await takeTurns(children, rounds, this.#failed, async (name, child, round) => {
      const figures = round === 0 ? this.first : this.later;
      figures.add(name, samples, await ask(child));
    });
    await endAll(children);
  }

  /** @param columns of each its head and what gives a contestant's cell */
  table(title, columns) {
    const names = [...this.#names, GO].filter((name) => !this.#failed.has(name));
    const rows = names.map((name) => [name, ...columns.map(([, cell]) => cell(name))]);
    const absent = absentRows(this.#failed, columns.length + 1);
    return { title, columns: ['', ...columns.map(([head]) => head)], rows: [...rows, ...absent] };
  }

  async #addGo(children) {
    try {
      children.set(GO, await startGo());
    } catch (error) {
      this.#failed.set(GO, error.message);
    }
  }
}

class Figures {
  #group;
  #comparisons;
  #series = new Series();

  constructor(group, comparisons) {
    this.#group = group;
    this.#comparisons = comparisons;
  }

  /** Figures that are undefined could not be measured. */
  add(name, samples, measured) {
    for (const what in measured) {
      if (measured[what] !== undefined) this.#series.add(name, `${what} ${samples}`, measured[what]);
    }
  }

  cell(what, samples, digits = 0) {
    return (name) => {
      const values = this.#of(name, what, samples);
      return values.length ? spread(summary(values), digits) : '–';
    };
  }

  /** Ours divided by a peer, which is compared under the name of the metric. */
  ratio(what, samples, metric = what) {
    return (name) => {
      const [ours, theirs] = [OURS, name].map((name) => this.#of(name, what, samples));
      if (name === OURS || !ours.length || !theirs.length) return '–';
      const ratio = ratios(ours, theirs);
      const where = `${samples.toLocaleString('en')} samples`;
      this.#comparisons.push({ group: this.#group, metric, where, ours: OURS, peer: name, ratio });
      return spread(ratio, 2);
    };
  }

  #of(name, what, samples) {
    return this.#series.of(name, `${what} ${samples}`);
  }
}
