import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { bufferCount, firstValueFrom } from 'rxjs';
import type { BlockId, Head, MessageSpan, PostedMessage } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type Delivery, type Inbox, type InboxChain } from '../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { until } from '../support/until.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const account: Hex = `0x${'22'.repeat(32)}`;
const hashOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`;
/** More than an inbox takes into one transaction. */
const full = 1_200;

describe('acknowledgements of an inbox', () => {
  it('of many go into the transaction of the messages that come next', async () => {
    const chain = new HeldChain(await posted(full, 1), await posted(full, 2), await posted(1, 3));
    const store = new CountingStore();
    await using inbox = createInbox({ chain: chain.parts, vault: recipient, store, from: 1 });
    const acknowledged = acknowledgingAll(inbox.messages$);
    await inbox.start();
    chain.release();
    chain.release();
    chain.release();
    await until(() => acknowledged.durable === 2 * full + 1);
    assert.equal(
      store.commits,
      5,
      'one says where it begins, three are with messages, and one comes when there are no more',
    );
  });

  it('of many do not wait for messages that do not come', async () => {
    const chain = new HeldChain(await posted(full, 1), await posted(1, 2));
    await using inbox = createInbox({ chain: chain.parts, vault: recipient, store: openMemoryStore(), from: 1 });
    const acknowledged = acknowledgingAll(inbox.messages$);
    await inbox.start();
    chain.release();
    await until(() => acknowledged.durable === full);
  });

  it('are durable when the inbox has stopped, whatever they waited for', async () => {
    const chain = new HeldChain(await posted(full, 1), await posted(1, 2));
    const store = openMemoryStore();
    const inbox = createInbox({ chain: chain.parts, vault: recipient, store, from: 1 });
    const acknowledged = acknowledgingAll(inbox.messages$);
    await inbox.start();
    chain.release();
    await until(() => acknowledged.seen === full);
    await inbox.stop();
    assert.deepEqual(await new InboxStore(store).itemsFrom(0n, 1), []);
  });

  it('of what an inbox handed out that has stopped since take none back of the one that came after it', async () => {
    const chain = new HeldChain(await posted(3, 1));
    const store = openMemoryStore();
    const parts = { chain: chain.parts, vault: recipient, store, from: 1 };
    chain.release();
    const handedOut = async (inbox: Inbox, count: number): Promise<readonly Delivery[]> => {
      await inbox.start();
      return firstValueFrom(inbox.messages$.pipe(bufferCount(count)));
    };
    const first = createInbox(parts);
    const [, late, last] = await handedOut(first, 3);
    await last?.ack();
    await first.stop();
    {
      await using second = createInbox(parts);
      const [now] = await handedOut(second, 2);
      await now?.ack();
      await late?.ack();
    }
    assert.deepEqual(await new InboxStore(store).itemsFrom(0n, 1), []);
  });
});

const recipient = createMemoryVault();
const sender = createMemoryVault();

function acknowledgingAll(messages$: ReturnType<typeof createInbox>['messages$']): { seen: number; durable: number } {
  const counts = { seen: 0, durable: 0 };
  messages$.subscribe((delivery) => {
    counts.seen += 1;
    void delivery.ack().then(() => (counts.durable += 1));
  });
  return counts;
}

async function sealed(nonce: bigint): Promise<Uint8Array> {
  const [key] = await recipient.ecdhKeys();
  assert.ok(key !== undefined);
  return sender.seal({
    genesisHash,
    to: recipient.identity,
    recipientKey: key.publicKey,
    account,
    nonce,
    sentAt: 1n,
    body: { kind: 'data', content: Uint8Array.of(1) },
  });
}

async function posted(count: number, number: number): Promise<PostedMessage[]> {
  const block = { number, hash: hashOf(number) };
  const messages: PostedMessage[] = [];
  for (let i = 0; i < count; i++)
    messages.push({
      sender: { kind: 'account', id: account },
      destination: new Uint8Array(),
      payload: await sealed(BigInt(number * 10_000 + i)),
      block,
      proven: true,
    });
  return messages;
}

/** A chain whose blocks are there, and read when they are let go. */
class HeldChain {
  readonly #blocks: readonly (readonly PostedMessage[])[];
  readonly #gates: Promise<void>[] = [];
  readonly #open: (() => void)[] = [];
  #released = 0;

  constructor(...blocks: readonly (readonly PostedMessage[])[]) {
    this.#blocks = blocks;
    for (const _ of blocks) this.#gates.push(new Promise((resolve) => this.#open.push(resolve)));
  }

  release(): void {
    this.#open[this.#released++]?.();
  }

  get parts(): InboxChain {
    const head = async (): Promise<Head> => headOf(this.#blocks.length);
    return {
      genesisHash,
      trust: 'single',
      finalizedHead: head,
      agreedHead: head,
      bestHead: head,
      headAt: async (number) => headOf(number),
      headEvents: () => {
        throw new Error('an inbox that follows finalized blocks asks for no heads');
      },
      messages: {
        follow: (after, _, signal) => this.#follow(after, signal),
        at: async () => [],
      },
    };
  }

  async *#follow(after: BlockId, signal?: AbortSignal): AsyncGenerator<MessageSpan, never> {
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    for (const [i, messages] of this.#blocks.entries()) {
      if (i < after.number) continue;
      await Promise.race([this.#gates[i], aborted]);
      yield { type: 'blocks', through: headOf(i + 1), messages };
    }
    return aborted;
  }
}

function headOf(number: number): Head {
  const hash = number === 0 ? genesisHash : hashOf(number);
  return { number, hash, parentHash: number <= 1 ? genesisHash : hashOf(number - 1), stateRoot: genesisHash };
}

class CountingStore implements TransactionalStore {
  readonly #store = openMemoryStore();
  commits = 0;
  readonly get = this.#store.get.bind(this.#store);
  readonly entries = this.#store.entries.bind(this.#store);

  commit(...args: Parameters<TransactionalStore['commit']>): Promise<boolean> {
    this.commits += 1;
    return this.#store.commit(...args);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
