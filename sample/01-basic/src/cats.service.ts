import { Injectable } from '@nestjs/common';

export interface Cat {
  readonly id: number;
  readonly name: string;
}

const NAMES = ['Minka', 'Tom', 'Luna', 'Felix', 'Nala'];

@Injectable()
export class CatsService {
  private readonly cats = Array.from({ length: 2000 }, (_, id): Cat => ({
    id,
    name: `${NAMES[id % 5]} ${id}`,
  }));
  private readonly visits: string[] = [];

  findAll(): readonly Cat[] {
    return this.cats;
  }

  /** Hot: it compares the name with every cat's, letter by letter. `profile` shows it. */
  mostSimilar(name: string): Cat {
    return this.cats.reduce((best, cat) =>
      this.distance(cat.name, name) < this.distance(best.name, name) ? cat : best,
    );
  }

  /** Holds memory: every visit is remembered and none is ever forgotten. `heap` shows it. */
  remember(id: number): number {
    for (let i = 0; i < 1000; i++) this.visits.push(`cat ${id} was visited at ${performance.now() + i}`);
    return this.visits.length;
  }

  private distance(a: string, b: string): number {
    let row = Array.from({ length: b.length + 1 }, (_, i) => i);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
      }
      row = next;
    }
    return row[b.length]!;
  }
}
