import assert from 'node:assert/strict';
import { ready } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createRelayOutbox, type OffChainCarrier, type RelayOutbox } from '../../src/outbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { currentKey, genesisHash } from '../support/vaults.ts';

const body = { kind: 'data', content: '0x01' } as const;

describe('outbox: off chain alone', () => {
  const vault = createMemoryVault();
  const peer = createMemoryVault();
  let peerKey: Uint8Array;

  before(async () => {
    await ready();
    peerKey = await currentKey(peer);
  });

  const unreached: OffChainCarrier = {
    canReach: () => false,
    carry: () => Promise.reject(new RelayError('no-endpoint-answered', { details: { reasons: 'none' } })),
  };
  const outboxOn = (store: TransactionalStore): RelayOutbox => {
    const directory = { get: () => ({ current: { epoch: 0, ecdhKey: peerKey, proven: true }, endpoints: [] }) };
    return createRelayOutbox({ genesisHash, vault, store, directory, carrier: unreached });
  };

  it('looks for what others queue from start to stop, and has no timer before and after', async () => {
    const { setInterval: begin, clearInterval: end } = globalThis;
    const running = new Set<unknown>();
    const timers = (): number => running.size;
    globalThis.setInterval = ((...args: Parameters<typeof begin>) => {
      const timer = begin(...args);
      running.add(timer);
      return timer;
    }) as typeof begin;
    globalThis.clearInterval = (timer) => {
      running.delete(timer);
      end(timer);
    };
    try {
      const outbox = outboxOn(openMemoryStore());
      assert.equal(timers(), 0);
      await outbox.start();
      assert.ok(timers() > 0);
      await outbox.stop();
      assert.equal(timers(), 0);
      const stopped = outboxOn(openMemoryStore());
      const starting = stopped.start();
      await stopped.stop();
      await starting;
      assert.equal(timers(), 0);
    } finally {
      Object.assign(globalThis, { setInterval: begin, clearInterval: end });
    }
  });

  it('cancels and queues again also where another outbox has taken over', async () => {
    const store = openMemoryStore();
    await using first = outboxOn(store);
    await using second = outboxOn(store);
    await first.start();
    const { sendId } = await first.send({ to: peer.identity, body, via: 'relay' });
    const kept = await first.send({ to: peer.identity, body, via: 'relay' });
    await second.start();
    await first.cancel(sendId);
    const cancelled = await second.receipt(sendId);
    await assert.rejects(async () => cancelled?.reached('finalized'), { code: 'send-cancelled' });
    await assert.rejects(first.retry(kept.sendId), { code: 'not-failed' });
  });
});
