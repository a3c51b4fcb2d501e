import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import type * as Root from '../../src/index.ts';
import type { TransactionalStore } from '../../src/store/index.ts';
import { costOf, type Cost } from '../cost.ts';
import { passphrase, recipientVault } from './recipient.ts';

/** As it is packed: run from its sources, a loader gives names to functions, which takes as long as what they do. */
const packed = new URL('../../dist/', import.meta.url).href;
const { connectChain, createInbox, openLmdbStore, openVault } = (await import(`${packed}index.js`)) as typeof Root;

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

/** One way to read the messages of blocks: connects, then runs as often as it is asked to. Connecting does not count. */
export type Variant = (task: Task) => Promise<Connected>;

export interface Connected {
  readonly run: () => Promise<Cost>;
  readonly end: () => Promise<void>;
}

const inFlight = 256;
const key = storagePrefix('PhalaMq', 'OutboundMessages');

/** The least that tells the messages: all hashes in one request, one read a block, answers parsed and thrown away. */
const bare: Variant = async ({ url, first, last }) => {
  const { call, close } = await connectRaw(url);
  const readAll = async (): Promise<void> => {
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const hashes = (await call('chain_getBlockHash', [numbers])) as string[];
    const reads: Promise<unknown>[] = [];
    for (const hash of hashes) {
      reads.push(call('state_getStorage', [key, hash]));
      if (reads.length >= inFlight) await reads.shift();
    }
    await Promise.all(reads);
  };
  return { run: () => costOf(readAll), end: async () => close() };
};

/** An inbox from its first block to the last, into a new store, each message acknowledged. */
const inbox =
  (verify: boolean): Variant =>
  async ({ url, folder, first, last, messages }) => {
    const { call, close } = await connectRaw(url);
    await call('replay_show', [last]);
    close();
    const chain = await connectChain({ endpoints: [url] });
    const vault = await openVault({ path: join(folder, recipientVault), passphrase });
    const receiveAll = async (store: TransactionalStore): Promise<void> => {
      await using receiving = createInbox({ chain, vault, store, from: first, verify });
      let delivered = 0;
      const allAcknowledged = new Promise<void>((resolve, reject) => {
        receiving.messages$.subscribe({
          next: (delivery) => {
            assert.equal(delivery.proven, verify);
            const acknowledged = delivery.ack();
            // They become durable in their order.
            if (++delivered === messages) acknowledged.then(resolve, reject);
          },
          error: reject,
        });
      });
      await receiving.start();
      await receiving.ready;
      if (messages > 0) await allAcknowledged;
      assert.ok((await chain.finalizedHead()).number >= last);
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
      end: async () => {
        await chain.stop();
        await vault.close();
      },
    };
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
