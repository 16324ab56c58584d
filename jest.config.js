// `npm test`: does it behave? Nest 12 is ESM only, and Node 20 cannot require() it: tests run as ES modules
// (node --experimental-vm-modules), compiled by swc.

/** @type {import('jest').Config} */
export const project = {
  testEnvironment: '<rootDir>/test/support/environment.js',
  moduleFileExtensions: ['js', 'ts', 'json'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
};

/**
 * V8 of Node 20 soon optimizes code, that which an application runs at its boot too: by this only what runs seven times
 * longer, and a boot takes a fifth less. Later versions have Maglev for that, and other flags.
 */
const v8Flags = Number.parseInt(process.versions.v8) < 12 ? ['--interrupt-budget=1000000'] : [];

/** Of this process and of those that tests start. */
const tested = { ...project, testEnvironmentOptions: { v8Flags } };

/** @type {import('jest').Config} */
export default {
  projects: [
    { ...tested, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.spec.ts'] },
    // V8's answers are recorded ones: raw results of four Node versions, weighed and encoded to the exact number.
    { ...tested, displayName: 'recorded', testMatch: ['<rootDir>/test/recorded/*.spec.ts'] },
    // Whole applications in Jest's process, through real HTTP, with a recorded sampler.
    { ...tested, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/*.e2e-spec.ts'] },
    // Applications in processes of their own, with V8's real samplers and real clients.
    { ...tested, displayName: 'process', testMatch: ['<rootDir>/test/process/*.e2e-spec.ts'] },
  ],
  testSequencer: '<rootDir>/test/support/sequencer.js',
  // With --single-threaded-gc: V8's own threads only take the cores from each other. One worker more than two cores, since
  // captures of a second wait more than they compute.
  maxWorkers: 3,
  // How long a test waits for its condition on a slow machine; no test judges how long it took.
  testTimeout: 180_000,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/*.spec.ts', '!src/**/*.interface.ts', '!src/index.ts'],
  coverageProvider: 'v8',
};
