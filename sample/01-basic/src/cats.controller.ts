import { Controller, Get, Param, ParseIntPipe, Post, Query } from '@nestjs/common';
import { type Cat, CatsService } from './cats.service.js';

@Controller('cats')
export class CatsController {
  constructor(private readonly cats: CatsService) {}

  @Get()
  findAll(): readonly Cat[] {
    return this.cats.findAll();
  }

  @Get('similar')
  similar(@Query('name') name = 'Minnie'): Cat {
    return this.cats.mostSimilar(name);
  }

  @Post(':id/visits')
  visit(@Param('id', ParseIntPipe) id: number): { visits: number } {
    return { visits: this.cats.remember(id) };
  }
}
