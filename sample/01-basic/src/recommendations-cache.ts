import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Catalogue, type Product } from './catalogue.js';

/** How much a visitor may like each product. */
type Scores = readonly number[];

@Injectable()
export class RecommendationsCache {
  private readonly scoresOf = new Map<string, Scores>();

  constructor(private readonly catalogue: Catalogue) {}

  /** The product that a visitor may like most. */
  async favourite(visitor: string): Promise<Product> {
    const scores = this.scoresOf.get(visitor) ?? (await this.remember(visitor));
    return this.catalogue.products.reduce((best, product) =>
      scores[product.id]! > scores[best.id]! ? product : best,
    );
  }

  /** The next visit need not ask the database. */
  private async remember(visitor: string): Promise<Scores> {
    const budget = await this.budget(visitor);
    const scores: number[] = [];
    for (const { id, cents } of this.catalogue.products) scores[id] = 1 / (1 + Math.abs(cents - budget));
    this.scoresOf.set(visitor, scores);
    return scores;
  }

  /** What a visitor has spent on a product so far, in cents. */
  private async budget(visitor: string): Promise<number> {
    await setTimeout(2); // the database replies
    return 1000 * visitor.length;
  }
}
