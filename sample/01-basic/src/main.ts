import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(process.env.PORT ?? 3000, '127.0.0.1');

const url = await app.getUrl();
console.log(`
A cats service with ${url}/debug/pprof/ in it. To try:

  keep it busy   while sleep .05; do curl -s '${url}/cats/similar?name=Lulu' >/dev/null; done
  see the CPU    go tool pprof -top '${url}/debug/pprof/profile?seconds=5'
  fill memory    for i in 1 2 3 4 5; do curl -s -X POST ${url}/cats/$i/visits; done
  see the heap   go tool pprof -top '${url}/debug/pprof/heap?gc=1'
  see the time   curl -o trace.out '${url}/debug/pprof/trace?seconds=5' && go tool trace trace.out
  in code        curl -X POST ${url}/capture
  all of them    ${url}/debug/pprof/
`);
