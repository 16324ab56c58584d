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
    { ...project, displayName: 'e2e', testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'] },
  ],
  // Not a promise of ours: V8 walks the whole heap at each start of a capture, and Jest's is large.
  testTimeout: 120_000,
  collectCoverageFrom: ['src/**/*.ts', '!src/**/*.spec.ts', '!src/**/*.interface.ts', '!src/index.ts'],
  coverageProvider: 'v8',
};
