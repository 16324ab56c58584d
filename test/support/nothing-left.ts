import assert from 'node:assert/strict';
import { afterAll } from '@jest/globals';
import { isSampling } from '../../src/sampling/inspector-heap.js';

/** V8 has one heap sampler: a file that leaves it on takes it from the next one. */
afterAll(() => assert(!isSampling(), "a test has left V8's heap sampler on"));
