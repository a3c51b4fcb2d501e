import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import type { Outbox, Receipt } from '../../src/outbox/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';

export const kinds = ['worker', 'account'] as const;
export type Kind = (typeof kinds)[number];

/** A connection to a chain, with what is posted through it. */
export interface RecordedChain extends AsyncDisposable {
  readonly chain: Chain;
  readonly proxy: RpcProxy;
  /** As they were handed to the node. */
  readonly extrinsics: Hex[];
}

export async function recordedChain(ws: string, alter?: Alter): Promise<RecordedChain> {
  const extrinsics: Hex[] = [];
  const proxy = await startRpcProxy(ws, alter);
  proxy.hold = (method, [extrinsic]) => {
    if (method.startsWith('author_submit')) extrinsics.push(extrinsic as Hex);
    return undefined;
  };
  const chain = await connectChain({ endpoints: [proxy.ws] });
  return {
    ...{ chain, proxy, extrinsics },
    async [Symbol.asyncDispose]() {
      await chain.stop();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** By the chain alone. */
export async function queueAll(box: Outbox, to: Vault, as: Kind, contents: readonly Uint8Array[]): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  for (const content of contents)
    receipts.push(await box.send({ to: to.identity, body: { kind: 'data', content }, as, via: 'chain' }));
  return receipts;
}

/** Since a block: all, in order, each once, by extrinsics of which the node refused none and was given none twice. */
export async function assertCameInAsQueued(
  { chain, proxy, extrinsics }: RecordedChain,
  { to, first, receipts }: { readonly to: Vault; readonly first: number; readonly receipts: readonly Receipt[] },
): Promise<void> {
  assert.deepEqual(
    await postedNonces(chain, to, first),
    receipts.map(({ nonce }) => nonce),
  );
  assert.deepEqual(proxy.refused, []);
  assert.equal(new Set(extrinsics).size, extrinsics.length);
}
