import { afterEach, describe, expect, it } from '@jest/globals';
import { type CallerFrame, callStackOf } from './call-stack.js';

class Cats {
  findOne(): CallerFrame[] {
    return stackHere();
  }
}

function stackHere(): CallerFrame[] {
  return callStackOf(stackHere);
}

const ownTrace = (): string => 'own';

describe('the stack of a caller', () => {
  const original = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  afterEach(() => {
    delete (Error as Partial<typeof Error>).prepareStackTrace;
    if (original) Object.defineProperty(Error, 'prepareStackTrace', original);
  });

  it('has names with classes, files, lines and columns, innermost first', () => {
    const [frame] = new Cats().findOne();
    expect(frame).toEqual({
      name: 'Cats.findOne',
      filename: expect.stringContaining('call-stack.spec'),
      line: expect.any(Number),
      column: expect.any(Number),
    });
  });

  it('leaves what the application has set on Error', () => {
    Error.prepareStackTrace = ownTrace;
    stackHere();
    expect(Error.prepareStackTrace).toBe(ownTrace);
  });

  it('is empty if the application made the properties of Error read-only', () => {
    Object.defineProperty(Error, 'prepareStackTrace', {
      value: undefined,
      writable: false,
      configurable: true,
    });
    expect(stackHere()).toEqual([]);
  });
});
