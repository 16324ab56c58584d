// Fastify's inject, which comes past the HTTP server: POST /inject asks each path and answers the statuses, POST /nested answers
// the requests in flight during an injected one and after it.
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const PATHS = ['/heap', '/profile?seconds=301', '/heap?seconds=0', '/leases', '/l%65ases', '/', '', '/nope'];

const inFlight = () =>
  app
    .get(library.ProfilerService)
    .requestsInFlight()
    .map(({ method, route, handler }) => `${method} ${route} ${handler}`);

const app = await serve(library, {
  inFlight,
  nested: async () => {
    const { payload } = await app.inject({ method: 'POST', url: '/inFlight' });
    return [JSON.parse(payload), inFlight()];
  },
  inject: async () => {
    const answers = await Promise.all(PATHS.map((path) => app.inject(`/debug/pprof${path}`)));
    return answers.map(({ statusCode, headers }) => [statusCode, headers['content-type']]);
  },
});
app.get(library.ProfilerService).newProfile('leases').add({});
await announce(app);
