import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import type * as OutboundValue from '../../src/chain/messages/outbound-value.ts';
import type * as Posted from '../../src/chain/messages/posted-messages.ts';
import type * as OutboundMessages from '../../src/chain/storage/outbound-messages.ts';
import type { BlockId, Head, MessageSpan, MessagesOptions, PostedMessage } from '../../src/chain/index.ts';
import type { InboxChain } from '../../src/inbox/index.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import type * as Root from '../../src/index.ts';
import { createVault as createFileVault } from '../../src/vault/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { costOf } from '../cost.ts';
import { makeBlocks, type MadeBlock } from './made-blocks.ts';
import { cheapKdf, passphrase } from './recipient.ts';
import type { Variant } from './variants.ts';

const packed = new URL('../../dist/', import.meta.url).href;
const { createInbox, openLmdbStore, openVault } = (await import(`${packed}index.js`)) as typeof Root;
const { decodeOutboundMessages } = (await import(
  `${packed}chain/storage/outbound-messages.js`
)) as typeof OutboundMessages;
const { messagesTo } = (await import(`${packed}chain/messages/outbound-value.js`)) as typeof OutboundValue;
const { PostedMessages } = (await import(`${packed}chain/messages/posted-messages.js`)) as typeof Posted;

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
/** As many messages as the inbox takes into one transaction, and blocks that it reads at once. */
const messagesAtOnce = 1_024;
const blocksAtOnce = 256;
const tagLength = 16;
const ivLength = 12;

interface Raw {
  readonly blocks: readonly MadeBlock[];
  readonly values: readonly (Uint8Array | undefined)[];
  readonly vault: string;
}

/** Values of `OutboundMessages` in memory, and the vault that their messages are to. */
async function rawBlocks(folder: string, count: number): Promise<Raw> {
  await ready();
  const own = await mkdtemp(join(folder, 'open-'));
  const vault = join(own, 'recipient');
  await using recipient = await createFileVault({ path: vault, passphrase, cost: cheapKdf });
  await using sender = await createFileVault({ path: join(own, 'sender'), passphrase, cost: cheapKdf });
  const [key] = await recipient.ecdhKeys();
  if (key === undefined) throw new Error('a new vault has a key');
  const blocks = await makeBlocks(genesisHash, count, sender, { identity: recipient.identity, ecdhKey: key.publicKey });
  return {
    vault,
    blocks,
    values: blocks.map(({ value }) => (value === undefined ? undefined : Buffer.from(value.slice(2), 'hex'))),
  };
}

/** From the bytes of blocks in memory to acknowledged deliveries: all of the inbox but the sockets. */
export const opening: Variant = async ({ folder, last, messages }) => {
  const raw = await rawBlocks(folder, last);
  const vault = await openVault({ path: raw.vault, passphrase });
  const chain = chainOf(raw);
  const receiveAll = async (store: Root.TransactionalStore): Promise<void> => {
    await using receiving = createInbox({ chain, vault, store, from: 1 });
    let delivered = 0;
    const allAcknowledged = new Promise<void>((resolve, reject) => {
      receiving.messages$.subscribe({
        next: (delivery) => {
          const acknowledged = delivery.ack();
          if (++delivered === messages) acknowledged.then(resolve, reject);
        },
        error: reject,
      });
    });
    await receiving.start();
    await allAcknowledged;
  };
  return {
    run: async () => {
      const path = await mkdtemp(join(folder, 'store-'));
      const store = await openLmdbStore({ path });
      const cost = await costOf(() => receiveAll(store));
      await store.close();
      await rm(path, { recursive: true });
      return cost;
    },
    end: () => vault.close(),
  };
};

/** The same messages' bytes: opened by node:crypto, then put into LMDB in as many transactions; nothing is decoded or deleted. */
export const aesAndLmdb: Variant = async ({ folder, last, messages }) => {
  const raw = await rawBlocks(folder, last);
  await using recipient = await openVault({ path: raw.vault, passphrase });
  const topics = [topicOf(recipient.identity)];
  const envelopes = raw.values.flatMap((value) =>
    value === undefined ? [] : decodeOutboundMessages(value, topics).map(({ payload }) => Buffer.from(payload)),
  );
  assert.equal(envelopes.length, messages);
  const key = randomBytes(32);
  const additional = randomBytes(178);
  const plain = 259;
  const sealed = envelopes.map(() => {
    const iv = randomBytes(ivLength);
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additional);
    const ciphertext = Buffer.concat([cipher.update(randomBytes(plain)), cipher.final()]);
    return { iv, ciphertext, tag: cipher.getAuthTag() };
  });
  const keys = envelopes.map((_, n) => {
    const name = Buffer.alloc(8);
    name.writeBigUInt64BE(BigInt(n));
    return name;
  });
  return {
    run: async () => {
      const path = await mkdtemp(join(folder, 'store-'));
      const database = open<Buffer, Buffer>({
        path,
        keyEncoding: 'binary',
        encoding: 'binary',
        overlappingSync: false,
        eventTurnBatching: false,
      });
      const cost = await costOf(async () => {
        let committing: Promise<unknown> = Promise.resolve();
        for (let at = 0; at < envelopes.length; at += messagesAtOnce) {
          const end = Math.min(envelopes.length, at + messagesAtOnce);
          for (let i = at; i < end; i++) {
            const { iv, ciphertext, tag } = sealed[i] ?? { iv: key, ciphertext: key, tag: key };
            const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagLength });
            decipher.setAAD(additional).setAuthTag(tag);
            decipher.update(ciphertext);
            decipher.final();
          }
          await committing;
          committing = database.transaction(() => {
            for (let i = at; i < end; i++) database.putSync(keys[i] ?? key, envelopes[i] ?? key);
          });
        }
        await committing;
      });
      await database.close();
      await rm(path, { recursive: true });
      return cost;
    },
    end: async () => undefined,
  };
};

/** A chain whose blocks are in memory, in spans as the reader of messages gives them. */
function chainOf({ values, blocks }: Raw): InboxChain {
  const headOf = (number: number): Head => {
    const block = blocks[number - 1];
    if (block !== undefined) return { hash: block.hash, ...block.header };
    return { number: 0, hash: genesisHash, parentHash: genesisHash, stateRoot: genesisHash };
  };
  const head = async (): Promise<Head> => headOf(blocks.length);
  /** As the reader of messages does it with what a node gave. */
  const inBlocks = (first: number, last: number, topics: readonly Uint8Array[]): PostedMessage[] => {
    const found = new PostedMessages();
    for (let number = first; number <= last; number++) {
      const value = values[number - 1];
      const { hash } = headOf(number);
      if (value !== undefined) found.add({ number, hash }, true, messagesTo(topics, value) ?? []);
    }
    return found.take();
  };
  async function* follow(
    after: BlockId,
    { topics }: MessagesOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageSpan, never> {
    for (let first = after.number + 1; first <= blocks.length; first += blocksAtOnce) {
      const last = Math.min(blocks.length, first + blocksAtOnce - 1);
      yield { type: 'blocks', through: headOf(last), messages: inBlocks(first, last, topics) };
    }
    return new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  }
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
    messages: { follow, at: async ({ number }, { topics }) => inBlocks(number, number, topics) },
  };
}
