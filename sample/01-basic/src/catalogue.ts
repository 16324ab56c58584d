import { Injectable } from '@nestjs/common';

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly cents: number;
}

const SIZES = ['small', 'medium', 'large', 'extra large'];
const COLOURS = ['white', 'black', 'red', 'green', 'blue', 'yellow', 'grey', 'brown'];
const MATERIALS = ['oak', 'steel', 'glass', 'linen', 'wool', 'leather', 'paper', 'cotton', 'copper', 'pine'];
const THINGS = ['chair', 'table', 'lamp', 'shelf', 'carpet', 'curtain', 'mirror', 'basket', 'desk', 'bench'];

/** The 3,200 products of the shop, each at the index that is its id. */
@Injectable()
export class Catalogue {
  readonly products: readonly Product[] = SIZES.flatMap((size) =>
    COLOURS.flatMap((colour) =>
      MATERIALS.flatMap((material) => THINGS.map((thing) => `${size} ${colour} ${material} ${thing}`)),
    ),
  ).map((name, id) => ({ id, name, cents: 500 + ((id * 7919) % 90_000) }));
}
