// `npm run test:truth`: are the numbers true? Known workloads with known answers, one after the other. claim.ts says how
// they are judged.
import { project } from '../../jest.config.js';

/** @type {import('jest').Config} */
export default {
  ...project,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/truth/*.truth.ts'],
  reporters: ['default', '<rootDir>/test/truth/table-reporter.js'],
  // Two workloads at a time would compete for the CPU.
  maxWorkers: 1,
  testTimeout: 120_000,
};
