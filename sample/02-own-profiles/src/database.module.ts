import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { DatabasePool } from './database-pool.js';

@Module({
  imports: [
    PprofModule.forFeature([
      { name: 'db_connections', description: 'Connections that are taken, by the stack that took them.' },
    ]),
  ],
  providers: [DatabasePool],
  exports: [DatabasePool],
})
export class DatabaseModule {}
