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

/** One way to read the messages of blocks, as often as it is asked to. Connecting does not count. */
export type Variant = (task: Task) => Promise<Connected>;

export interface Connected {
  readonly run: () => Promise<Cost>;
  readonly end: () => Promise<void>;
}

const inFlight = 256;
/** Messages, or blocks, between two looks at what is held. */
const looksEvery = 250;

/** Memory of JavaScript that is not garbage, MB above that at the start, at its greatest. Needs --expose-gc. */
class Held {
  readonly #start = heldMb();
  #seen = 0;
  #greatest = 0;

  look(): void {
    if (++this.#seen % looksEvery === 0) this.#greatest = Math.max(this.#greatest, heldMb() - this.#start);
  }

  async during(work: () => Promise<void>): Promise<Cost> {
    const cost = await costOf(work);
    return { ...cost, peakMb: this.#greatest };
  }
}

function heldMb(): number {
  assert.ok(globalThis.gc !== undefined);
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
const key = storagePrefix('PhalaMq', 'OutboundMessages');

/** The least that tells the messages: all hashes in one request, one read a block, answers parsed and thrown away. */
const bare =
  (isHeld: boolean): Variant =>
  async ({ url, first, last }) => {
    const { call, close } = await connectRaw(url);
    const readAll = async (held?: Held): Promise<void> => {
      const hashes = (await call('chain_getBlockHash', [numbersBetween(first, last)])) as string[];
      const reads: Promise<unknown>[] = [];
      for (const hash of hashes) {
        reads.push(call('state_getStorage', [key, hash]));
        if (reads.length >= inFlight) await reads.shift();
        held?.look();
      }
      await Promise.all(reads);
    };
    return { run: () => measured(isHeld, readAll), end: async () => close() };
  };

/** The same reads in frames, as ours has them where a block is a call. */
const bareFramed: Variant = async ({ url, first, last }) => {
  const { call, callAll, close } = await connectRaw(url);
  const readAll = async (): Promise<void> => {
    const hashes = (await call('chain_getBlockHash', [numbersBetween(first, last)])) as string[];
    await inFrames(hashes, 64, 4, (some) =>
      callAll(
        'state_getStorage',
        some.map((hash) => [key, hash]),
      ),
    );
  };
  return { run: () => costOf(readAll), end: async () => close() };
};

function numbersBetween(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

async function inFrames(
  hashes: readonly string[],
  atOnce: number,
  most: number,
  read: (some: readonly string[]) => Promise<void>,
): Promise<void> {
  const reads: Promise<void>[] = [];
  for (let at = 0; at < hashes.length; at += atOnce) {
    reads.push(read(hashes.slice(at, at + atOnce)));
    if (reads.length >= most) await reads.shift();
  }
  await Promise.all(reads);
}

/** Calls in a frame, and frames under way: of such sizes the one in which a node with two processors answers soonest. */
const callsInFrame = 128;
const framesInFlight = 8;

/** The least that proves them: all hashes in one request, a header and a proof of each, in frames; answers are thrown away. */
const bareProven: Variant = async ({ url, first, last }) => {
  const { call, callAll, close } = await connectRaw(url);
  const readEach = (method: string, paramsOf: (hash: string) => unknown[], hashes: string[]): Promise<void> =>
    inFrames(hashes, callsInFrame, framesInFlight, (some) => callAll(method, some.map(paramsOf)));
  const readAll = async (): Promise<void> => {
    const hashes = (await call('chain_getBlockHash', [numbersBetween(first, last)])) as string[];
    await readEach('chain_getHeader', (hash) => [hash], hashes);
    await readEach('state_getReadProof', (hash) => [[key], hash], hashes);
  };
  return { run: () => costOf(readAll), end: async () => close() };
};

function measured(isHeld: boolean, work: (held?: Held) => Promise<void>): Promise<Cost> {
  if (!isHeld) return costOf(() => work());
  const held = new Held();
  return held.during(() => work(held));
}

/** An inbox from its first block to the last, into a new store, each message acknowledged. */
const inbox =
  (verify: boolean, isHeld = false): Variant =>
  async ({ url, folder, first, last, messages }) => {
    const { call, close } = await connectRaw(url);
    await call('replay_show', [last]);
    close();
    const chain = await connectChain({ endpoints: [url] });
    const vault = await openVault({ path: join(folder, recipientVault), passphrase });
    const receiveAll = async (store: TransactionalStore, held?: Held): Promise<void> => {
      await using receiving = createInbox({ chain, vault, store, from: first, verify });
      let delivered = 0;
      const allAcknowledged = new Promise<void>((resolve, reject) => {
        receiving.messages$.subscribe({
          next: (delivery) => {
            assert.equal(delivery.proven, verify);
            const acknowledged = delivery.ack();
            held?.look();
            // They become durable in their order.
            if (++delivered === messages) acknowledged.then(resolve, reject);
          },
          error: reject,
        });
      });
      await receiving.start();
      await receiving.ready;
      if (messages > 0) await allAcknowledged;
    };
    return {
      run: async () => {
        const path = await mkdtemp(join(folder, 'store-'));
        const store = await openLmdbStore({ path });
        await readOthers(chain, last, verify);
        const cost = await measured(isHeld, (held) => receiveAll(store, held));
        // The loop is not told of it either: no part of what is measured.
        assert.ok((await chain.finalizedHead()).number >= last);
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

/** Has the connection read something else, so that nothing of an earlier run is read out of its memory. */
async function readOthers(chain: Root.Chain, last: number, verify: boolean): Promise<void> {
  // Hashes of 16 pieces of the chain are kept, and values of 512 KiB.
  for (let back = 1; back <= 17; back++) {
    const after = await chain.headAt(last - back);
    assert.ok(after !== undefined);
    for await (const { through } of chain.messages.follow(after, { topics: [], verify }))
      if (through.number >= last) break;
  }
}

/** Those named held give the memory that is held as their peak. */
export const variants: Readonly<Record<string, Variant>> = {
  bare: bare(false),
  'bare-held': bare(true),
  'bare-framed': bareFramed,
  plain: inbox(false),
  'plain-held': inbox(false, true),
  proven: inbox(true),
  'bare-proven': bareProven,
};

interface Raw {
  readonly call: (method: string, params: readonly unknown[]) => Promise<unknown>;
  /** In one frame. */
  readonly callAll: (method: string, params: readonly (readonly unknown[])[]) => Promise<void>;
  readonly close: () => void;
}

interface Answer {
  readonly id: number;
  readonly result: unknown;
}

async function connectRaw(url: string): Promise<Raw> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28 });
  await once(socket, 'open');
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data: Buffer) => {
    const answers = [JSON.parse(data.toString()) as Answer | Answer[]].flat();
    // Those of a frame come together: the first in it stands for all.
    const { id, result } = answers.reduce((least, each) => (each.id < least.id ? each : least));
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let next = 1;
  const request = (method: string, params: readonly unknown[]) => ({ jsonrpc: '2.0', id: next++, method, params });
  const send = (first: number, message: unknown): Promise<unknown> =>
    new Promise((resolve) => {
      waiting.set(first, resolve);
      socket.send(JSON.stringify(message));
    });
  return {
    call: (method, params) => send(next, request(method, params)),
    callAll: async (method, params) => {
      await send(
        next,
        params.map((each) => request(method, each)),
      );
    },
    close: () => socket.close(),
  };
}
