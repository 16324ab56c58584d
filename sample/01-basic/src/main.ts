import 'reflect-metadata';
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const port = Number(process.env.PORT ?? 3000);
const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
try {
  await app.listen(port, '127.0.0.1');
} catch {
  // Nest has logged the reason.
  console.error(`cannot listen on port ${port}; choose another one: PORT=8080 npm start`);
  process.exit(1);
}

const url = `http://localhost:${new URL(await app.getUrl()).port}`;
const customers = fork(pathOf('customers.js'), [url]);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => customers.kill());

console.log(`
Open ${url}/debug/pprof/

This is a shop whose customers search all the time. One function takes half of its CPU time, and one allocates
memory that is never freed. Find them in the browser:

  CPU               profile: flame graph, 5 s
  memory            heap: flame graph, After GC; later, "What has grown since ...?"

Or with Go, in a second terminal:

  CPU               go tool pprof -top '${url}/debug/pprof/profile?seconds=5'
  memory            go tool pprof -top '${url}/debug/pprof/heap?gc=1'
  as a flame graph  go tool pprof -http=: '${url}/debug/pprof/profile?seconds=5'
  what is going on  curl '${url}/debug/pprof/goroutine?debug=2'
  in code           curl -X POST ${url}/capture

${pathOf('../README.md')} shows what you should see.
Ctrl-C stops the shop and its customers.
`);
