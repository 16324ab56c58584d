import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000, '127.0.0.1');

const url = await app.getUrl();
console.log(`
A shop with profiles of its own at ${url}/debug/pprof/. To try:

  order          for i in 1 2 3 4 5 6 7 8 9; do curl -s ${url}/orders/$i; done
  find the leak  go tool pprof -top ${url}/debug/pprof/db_connections
  queue jobs     for i in 1 2 3; do curl -s -X POST ${url}/orders/$i/reminders; done
  see them       go tool pprof -top ${url}/debug/pprof/jobs
`);
