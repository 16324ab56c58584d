// Fastify's inject, which comes past the HTTP server: POST /inject asks each path and answers the statuses.
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const PATHS = ['/debug/pprof/heap', '/debug/pprof/profile?seconds=301', '/debug/pprof/heap?seconds=0'];

const app = await serve(library, {
  inject: async () => {
    const answers = await Promise.all(PATHS.map((path) => app.inject(path)));
    return answers.map(({ statusCode, headers }) => [statusCode, headers['content-type']]);
  },
});
await announce(app);
