import * as library from 'nestjs-pprof';
import handlers from './hold.cjs';
import { announce, serve } from './serve.cjs';

await announce(await serve(library, handlers));
