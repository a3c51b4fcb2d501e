import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { connectChain } from '../../src/chain/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { costOf, type Cost } from '../cost.ts';
import { passphrase, recipientVault } from './recipient.ts';

export interface Task {
  readonly url: string;
  /** Where the recipient's vault is. */
  readonly folder: string;
  /** First and last block to read. */
  readonly first: number;
  readonly last: number;
  /** Messages to the recipient in them. */
  readonly messages: number;
}

/** Reads the messages of blocks; gives its cost, connecting left out. */
export type Variant = (task: Task) => Promise<Cost>;

const inFlight = 256;
const key = storagePrefix('PhalaMq', 'OutboundMessages');

/** The least that tells the messages: all hashes in one request, one read a block, answers parsed and thrown away. */
const bare: Variant = async ({ url, first, last }) => {
  const { call, close } = await connectRaw(url);
  const cost = await costOf(async () => {
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const hashes = (await call('chain_getBlockHash', [numbers])) as string[];
    const reads: Promise<unknown>[] = [];
    for (const hash of hashes) {
      reads.push(call('state_getStorage', [key, hash]));
      if (reads.length >= inFlight) await reads.shift();
    }
    await Promise.all(reads);
  });
  close();
  return cost;
};

/** An inbox from its first block to the last, each message acknowledged. */
const inbox =
  (verify: boolean): Variant =>
  async ({ url, folder, first, last, messages }) => {
    const { call, close } = await connectRaw(url);
    await call('replay_show', [last]);
    close();
    await using chain = await connectChain({ endpoints: [url] });
    await using vault = await openVault({ path: join(folder, recipientVault), passphrase });
    const path = await mkdtemp(join(folder, 'store-'));
    await using store = await openLmdbStore({ path });
    const cost = await costOf(async () => {
      await using receiving = createInbox({ chain, vault, store, from: first, verify });
      const acknowledged: Promise<void>[] = [];
      const all = new Promise<void>((resolve, reject) => {
        receiving.messages$.subscribe({
          next: (delivery) => {
            assert.equal(delivery.proven, verify);
            acknowledged.push(delivery.ack());
            if (acknowledged.length === messages) resolve();
          },
          error: reject,
        });
      });
      await receiving.start();
      await receiving.ready;
      if (messages > 0) await all;
      await Promise.all(acknowledged);
      assert.ok((await chain.finalizedHead()).number >= last);
    });
    await store.close();
    await rm(path, { recursive: true });
    return cost;
  };

export const variants: Readonly<Record<string, Variant>> = { bare, plain: inbox(false), proven: inbox(true) };

interface Raw {
  readonly call: (method: string, params: readonly unknown[]) => Promise<unknown>;
  readonly close: () => void;
}

async function connectRaw(url: string): Promise<Raw> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28 });
  await once(socket, 'open');
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data: Buffer) => {
    const { id, result } = JSON.parse(data.toString()) as { id: number; result: unknown };
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let next = 1;
  return {
    call: (method, params) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
    close: () => socket.close(),
  };
}
