// Fastify's inject, which comes past the HTTP server: POST /inject asks each path and answers the statuses.
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const PATHS = ['/heap', '/profile?seconds=301', '/heap?seconds=0', '/leases', '/l%65ases', '/', '', '/nope'];

const app = await serve(library, {
  inject: async () => {
    const answers = await Promise.all(PATHS.map((path) => app.inject(`/debug/pprof${path}`)));
    return answers.map(({ statusCode, headers }) => [statusCode, headers['content-type']]);
  },
});
app.get(library.ProfilerService).newProfile('leases').add({});
await announce(app);
