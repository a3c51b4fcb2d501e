import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { handedOut } from './handed-out.ts';

describe('tests: what an inbox handed out in error', () => {
  it('is what came twice in one life, or after it was acknowledged, and not what a consumer died with', () => {
    const { texts, repeated } = handedOut([
      'started',
      'got a 1',
      'done a 1',
      'got b',
      'started',
      'got b',
      'done b',
      'got c',
      'got c',
      'got a 1',
    ]);
    assert.deepEqual(
      [texts, repeated],
      [
        ['a 1', 'b', 'c'],
        ['c', 'a 1'],
      ],
    );
  });
});
