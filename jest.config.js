// Nest 12 is ESM only, and Node 20 cannot require() it: tests run as ES modules
// (node --experimental-vm-modules), compiled by swc.

/** @type {import('jest').Config} */
const project = {
  testEnvironment: 'node',
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

/** @type {import('jest').Config} */
export default {
  projects: [
    { ...project, displayName: 'unit', testMatch: ['<rootDir>/src/**/*.spec.ts'] },
    {
      ...project,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
      setupFilesAfterEnv: ['<rootDir>/test/support/nothing-left.ts'],
    },
  ],
  // A process for each file: V8 walks the whole heap at each start of a capture, and Jest's grows with each file.
  workerIdleMemoryLimit: 0,
  // Tests that wait for seconds to pass leave a core to others; more would take it from those that measure CPU time.
  maxWorkers: 2,
  // Not a promise of ours: V8 walks the whole heap at each start of a capture, and Jest's is large.
  testTimeout: 120_000,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/*.spec.ts', '!src/**/*.interface.ts', '!src/index.ts'],
  coverageProvider: 'v8',
};
