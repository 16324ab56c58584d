import { Controller, Get, Header, Param, Query } from '@nestjs/common';
import type { Product } from './catalogue.js';
import { RecommendationsCache } from './recommendations-cache.js';
import { SearchService } from './search.service.js';

@Controller()
export class ShopController {
  constructor(
    private readonly products: SearchService,
    private readonly recommendations: RecommendationsCache,
  ) {}

  @Get('search')
  @Header('content-type', 'text/html')
  search(@Query('words') words = ''): string {
    return `<ul>${this.products.search(words).map(htmlOf).join('')}</ul>`;
  }

  @Get('visitors/:visitor/recommendation')
  recommend(@Param('visitor') visitor: string): Promise<Product> {
    return this.recommendations.favourite(visitor);
  }
}

const euros = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });

function htmlOf({ id, name, cents }: Product): string {
  return `<li><a href="/products/${id}">${name}</a>: ${euros.format(cents / 100)}</li>`;
}
