import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { GroupCommit } from '../../src/store/group-commit.ts';

describe('commits in groups', () => {
  it('are all settled when it is closed, also what waits while one that is durable still lets no other begin', async () => {
    let isOpen = true;
    const commits = new GroupCommit(async (action) => {
      assert.ok(isOpen, 'the environment is closed');
      action();
    });
    const first = commits.run(() => 1);
    await first;
    // The turn of the event loop in which the next may begin has not come.
    const second = commits.run(() => 2);
    await commits.close();
    isOpen = false;
    assert.equal(await Promise.race([second, new Promise(setImmediate)]), 2);
    await assert.rejects(commits.run(() => 3));
  });
});
