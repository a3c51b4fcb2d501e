import assert from 'node:assert/strict';
import { firstValueFrom } from 'rxjs';
import type { Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { isLocalFailure, RelayError } from '../../src/errors/index.ts';
import { createInbox, type Inbox } from '../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { rejected } from '../support/expect-error.ts';
import { replacing } from '../support/replacing.ts';
import { currentKey, genesisHash } from '../support/vaults.ts';

/** Of now, so that relays may bring it. */
const first = BigInt(Date.now()) << 20n;
const block = { number: 1, hash: `0x${'33'.repeat(32)}` } as const;

describe('inbox: what a relay hands over while the inbox does not read', () => {
  const recipient = createMemoryVault();
  const sender = createMemoryVault();
  let store: TransactionalStore;

  before(ready);
  beforeEach(() => {
    store = openMemoryStore();
  });

  const inboxOf = (chain: Partial<Chain> = {}): Inbox =>
    createInbox({ chain: { genesisHash, trust: 'single', ...chain } as Chain, vault: recipient, store });
  const sealed = async (nonce: bigint, of: Hex = genesisHash): Promise<Uint8Array> =>
    sender.seal({
      ...{ genesisHash: of, to: recipient.identity, recipientKey: await currentKey(recipient), nonce: first + nonce },
      ...{ sentAt: BigInt(Date.now()), body: { kind: 'data', content: '0x01' } },
    });
  /** By an inbox that comes after. */
  const nextNonce = async (): Promise<bigint> => {
    await using next = inboxOf();
    return (await firstValueFrom(next.messages$)).nonce - first;
  };

  it('is durable before it is started, once', async () => {
    const envelope = await sealed(1n);
    {
      await using inbox = inboxOf();
      assert.equal(await inbox.accept(envelope), 'accepted');
      assert.equal(await inbox.accept(envelope), 'duplicate');
    }
    assert.equal(await nextNonce(), 1n);
  });

  it('is durable after it is stopped', async () => {
    const inbox = inboxOf();
    await inbox.stop();
    assert.equal(await inbox.accept(await sealed(2n)), 'accepted');
    assert.equal(await nextNonce(), 2n);
  });

  it('is durable where its start, or its reading, failed', async () => {
    const failing = async (): Promise<never> => {
      throw new RelayError('chain-stopped');
    };
    const reading: Partial<Chain> = {
      finalizedHead: async () => block as Awaited<ReturnType<Chain['finalizedHead']>>,
      headAt: async () => block as Awaited<ReturnType<Chain['headAt']>>,
      messages: {
        follow: () => ({ [Symbol.asyncIterator]: () => ({ next: failing }) }),
      } as unknown as Chain['messages'],
    };
    for (const [nonce, chain, failed] of [
      [3n, { finalizedHead: failing }, (inbox: Inbox) => inbox.start()],
      [4n, reading, (inbox: Inbox) => inbox.start().then(() => firstValueFrom(inbox.events$))],
    ] as const) {
      store = openMemoryStore();
      await using inbox = inboxOf(chain);
      await rejected(failed(inbox), 'chain-stopped');
      assert.equal(await inbox.accept(await sealed(nonce)), 'accepted');
      assert.equal(await nextNonce(), nonce);
    }
  });

  it('makes a fresh store that of its chain, before anything is taken', async () => {
    const other: Hex = `0x${'b0'.repeat(32)}`;
    const elsewhere = await sealed(6n, other);
    let commits = 0;
    const memory = store;
    store = replacing(memory, {
      commit: async (writes, expected) => {
        if (++commits === 2)
          await rejected(inboxOf({ genesisHash: other }).accept(elsewhere), 'store-of-another-chain');
        return memory.commit(writes, expected);
      },
    });
    assert.equal(await inboxOf().accept(await sealed(6n)), 'accepted');
    assert.equal(commits, 2);
    for (const act of [(inbox: Inbox) => inbox.accept(elsewhere), (inbox: Inbox) => inbox.start()])
      await rejected(act(inboxOf({ genesisHash: other })), 'store-of-another-chain');
    assert.equal(await nextNonce(), 6n);
  });

  it('leaves a store to the chain of the inbox that was first, of two at the same time', async () => {
    const other: Hex = `0x${'b0'.repeat(32)}`;
    const [here, elsewhere] = [await sealed(7n), await sealed(7n, other)];
    const taken = await Promise.allSettled([inboxOf().accept(here), inboxOf({ genesisHash: other }).accept(elsewhere)]);
    assert.deepEqual(
      taken.map((each) => (each.status === 'fulfilled' ? each.value : (each.reason as RelayError).code)),
      ['accepted', 'store-of-another-chain'],
    );
    assert.equal(await nextNonce(), 7n);
  });

  it('is refused where the store is of another chain, and nothing is written', async () => {
    const other: Hex = `0x${'b0'.repeat(32)}`;
    const at = { ...block, number: 7 } as Awaited<ReturnType<Chain['finalizedHead']>>;
    const waiting = {
      follow: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    };
    {
      const chain = { finalizedHead: async () => at, headAt: async () => at, messages: waiting };
      const inbox = inboxOf({ ...(chain as unknown as Partial<Chain>), genesisHash: other });
      await inbox.start();
    }
    const all = { from: Uint8Array.of(0), to: new Uint8Array(513).fill(0xff) };
    const before = await store.entries(all);
    const inbox = inboxOf();
    const envelope = await sealed(5n);
    for (const _ of [1, 2]) {
      const refusal = await rejected(inbox.accept(envelope), 'store-of-another-chain');
      // Whoever empties a mailbox into it keeps the message there.
      assert.ok(isLocalFailure(refusal));
    }
    assert.deepEqual(await store.entries(all), before);
    await inbox.stop();
  });
});
