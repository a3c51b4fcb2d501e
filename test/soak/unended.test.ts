import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import type { SenderEntry } from './ledger.ts';
import { unended } from './unended.ts';

const to: Hex = `0x${'bb'.repeat(32)}`;
const sent: SenderEntry[] = [
  { event: 'meant', to, text: 's 1' },
  { event: 'queued', text: 's 1', nonce: '1' },
  { event: 'meant', to, text: 's 2' },
  { event: 'stored', to, nonce: '2' },
  { event: 'command-meant', to, text: 'c 1' },
  { event: 'command-stored', sendId: '3' },
];

describe('soak: what has no end', () => {
  const openAfter = (...entries: SenderEntry[]): number =>
    unended([{ id: 'worker', entries: [...sent, ...entries] }]).length;

  it('is what was queued and is neither final nor failed, also where only the queue tells that it was', () => {
    assert.deepEqual(unended([{ id: 'worker', entries: sent }]), [
      '"s 1" of worker has no end, by its receipt',
      '"s 2" of worker has no end, by its receipt',
      'the command "c 1" of worker has no end, by its receipt',
    ]);
    const code = 'x';
    assert.equal(openAfter({ event: 'finalized', to, nonce: '1' }, { event: 'failed', to, nonce: '2', code }), 1);
    assert.equal(openAfter({ event: 'command-finalized', sendId: '3' }), 2);
    assert.equal(openAfter({ event: 'command-failed', sendId: '3', code }), 2);
    assert.equal(openAfter({ event: 'in-block', to, nonce: '1', messageId: to, block: 1, hash: to }), 3);
  });
});
