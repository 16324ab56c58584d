/**
 * Injection tokens. By `Symbol.for`, so that the ESM and the CommonJS copy of this package share them; in a file of
 * their own, since the module's definition and its providers would import each other otherwise.
 *
 * @internal
 */

/** What the user passed. */
export const PPROF_MODULE_OPTIONS = Symbol.for('nestjs-pprof/module-options');

/** The options with defaults, checked: `ResolvedPprofOptions`. */
export const PPROF_OPTIONS = Symbol.for('nestjs-pprof/options');

/** What shapes the module and is known before it exists: `PprofModuleExtras`. */
export const PPROF_EXTRAS = Symbol.for('nestjs-pprof/extras');

/** The means of sampling that the options chose: `Sampling`. */
export const PPROF_SAMPLING = Symbol.for('nestjs-pprof/sampling');
