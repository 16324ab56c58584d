import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { DatabasePool } from './database-pool.js';

@Module({
  imports: [
    PprofModule.forFeature([
      { name: 'db_connections', description: 'Open database connections, by the stack that opened them.' },
    ]),
  ],
  providers: [DatabasePool],
  exports: [DatabasePool],
})
export class DatabaseModule {}
