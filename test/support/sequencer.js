import Sequencer from '@jest/test-sequencer';

/** Those whose files take longest first: then no long one is left at the end, which one core runs while the other waits. */
const PROJECTS = ['process', 'e2e', 'recorded', 'unit'];

/** Orders test files by project, and within one as Jest does. */
export default class ByProject extends Sequencer {
  sort(tests) {
    return super.sort(tests).sort((a, b) => rankOf(a) - rankOf(b));
  }
}

const rankOf = ({ context }) => PROJECTS.indexOf(context.config.displayName?.name);
