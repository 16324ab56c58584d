// For --import: to `import`, the package `pprof` is there and was never built.
import { register } from 'node:module';

register(
  `data:text/javascript,${encodeURIComponent(`
    export async function resolve(specifier, context, next) {
      if (specifier === 'pprof') throw new Error('Could not locate the bindings file. Tried:\\n → here\\n → there');
      return next(specifier, context);
    }
  `)}`,
);
