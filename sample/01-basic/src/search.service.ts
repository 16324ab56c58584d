import { Injectable } from '@nestjs/common';
import { Catalogue, type Product } from './catalogue.js';

interface Match {
  readonly product: Product;
  readonly similarity: number;
}

@Injectable()
export class SearchService {
  constructor(private readonly catalogue: Catalogue) {}

  /** The 100 products whose names are most like the words, the best first. */
  search(words: string): Product[] {
    return this.catalogue.products
      .map((product): Match => ({ product, similarity: this.similarity(words, product.name) }))
      .sort(byRelevance)
      .slice(0, 100)
      .map(({ product }) => product);
  }

  /**
   * 1 for equal texts, 0 for texts with nothing in common: the Damerau-Levenshtein distance, which allows for letters
   * that are missing, added, wrong or swapped.
   */
  private similarity(a: string, b: string): number {
    let beforeLast: number[] = [];
    let last: number[] = [];
    let row: number[] = [];
    for (let j = 0; j <= b.length; j++) last[j] = j;
    for (let i = 1; i <= a.length; i++) {
      row[0] = i;
      for (let j = 1; j <= b.length; j++) {
        const isSame = a[i - 1] === b[j - 1];
        row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (isSame ? 0 : 1));
        const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
        if (isSwapped) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
      }
      [beforeLast, last, row] = [last, row, beforeLast];
    }
    return 1 - last[b.length]! / Math.max(a.length, b.length);
  }
}

/** The cheaper product first if both are as similar. */
function byRelevance(a: Match, b: Match): number {
  return b.similarity - a.similarity || a.product.cents - b.product.cents;
}
