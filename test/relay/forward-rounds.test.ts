import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import type { Attempt } from '../../src/relay/forward-outcome.ts';
import { ForwardRounds } from '../../src/relay/forward-rounds.ts';

describe('relay: what came of a message at each endpoint', () => {
  const endpoints = ['http://a.example', 'http://b.example'];
  const refused = new Map<string, Attempt>([['http://a.example', 'refused']]);
  const queue = (n: number): Hex => `0x${n.toString(16)}`;

  it('is known of the first of each queue, however many these are, until it is done with', () => {
    const rounds = new ForwardRounds();
    for (let n = 0; n < 20_000; n++) rounds.add(queue(n), '0xaa', endpoints, refused);
    for (const n of [0, 19_999]) assert.deepEqual(rounds.left(queue(n), '0xaa', endpoints), ['http://b.example']);
    rounds.end(queue(0));
    assert.deepEqual(rounds.left(queue(0), '0xaa', endpoints), endpoints);
  });

  it('says nothing of the one behind it', () => {
    const rounds = new ForwardRounds();
    rounds.add(queue(0), '0xaa', endpoints, refused);
    assert.deepEqual(rounds.left(queue(0), '0xbb', endpoints), endpoints);
  });

  it('begins anew when all were asked, but for those that refused', () => {
    const rounds = new ForwardRounds();
    assert.equal(rounds.add(queue(0), '0xaa', endpoints, refused), undefined);
    const failed = new Map<string, Attempt>([['http://b.example', 'failed']]);
    assert.deepEqual([...(rounds.add(queue(0), '0xaa', endpoints, failed) ?? [])], ['refused', 'failed']);
    assert.deepEqual(rounds.left(queue(0), '0xaa', endpoints), ['http://b.example']);
  });
});
