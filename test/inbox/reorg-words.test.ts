import assert from 'node:assert/strict';
import { ReorgWords } from '../../src/inbox/reorg-words.ts';
import type { Sequence } from '../../src/inbox/stream-item.ts';

const reinstated = (of: Sequence) => ({ kind: 'reinstated', of, messageId: '0x' }) as const;

describe('inbox: what a subscriber is told of reorgs', () => {
  it('is nothing of what was over before it had the message, up to where the store tells of it', () => {
    const words = new ReorgWords();
    words.settled(1n, 5n);
    words.settled(2n, 6n);
    // Handed out once more.
    words.settled(1n, 7n);
    words.wentOn(6n);
    assert.deepEqual([words.take(reinstated(1n)), words.take(reinstated(2n))], ['meaningless', 'meaningless']);
    words.wentOn(7n);
    assert.deepEqual([words.take(reinstated(1n)), words.take(reinstated(2n))], ['meaningless', 'told']);
    words.wentOn(8n);
    assert.equal(words.take(reinstated(1n)), 'told');
  });

  it('is known at each turn without going through all that it was handed', () => {
    const [words, count] = [new ReorgWords(), 500];
    let looks = 0;
    const counted = (end: Sequence): Sequence =>
      Object.assign(Object(end) as Sequence, {
        valueOf: () => {
          looks += 1;
          return end;
        },
      });
    for (let n = 0; n < count; n++) {
      words.settled(BigInt(n), counted(BigInt(2 * count + n)));
      words.wentOn(BigInt(n + 1));
    }
    for (let n = count; n <= 3 * count; n++) words.wentOn(BigInt(n + 1));
    assert.equal(words.take(reinstated(BigInt(count - 1))), 'told');
    // One that ends nothing at each turn, and each message once.
    assert.ok(looks >= count && looks <= 4 * count, `${looks} looks`);
  });
});
