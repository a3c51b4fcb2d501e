import type { RootHookObject } from 'mocha';

/** Each with the test that ran. Mocha tells of one twice where somebody else listens. */
const unhandled = new Map<Promise<unknown>, string>();
let running = '';

const note = (reason: unknown, promise: Promise<unknown>): void => {
  const what = reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
  unhandled.set(promise, `${running}: ${what}`);
};

/**
 * A run fails where a promise was rejected while nobody looked, also where somebody looked later: mocha listens for them
 * itself, so that Node does not end, and says nothing of them.
 */
export const mochaHooks: RootHookObject = {
  beforeAll() {
    process.on('unhandledRejection', note);
  },
  beforeEach(this: Mocha.Context) {
    running = this.currentTest?.fullTitle() ?? '';
  },
  async afterAll() {
    // Those of the last test are told of in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    const found = [...unhandled.values()];
    unhandled.clear();
    if (found.length > 0) throw new Error(`rejections that nobody handled:\n${found.join('\n')}`);
  },
};
