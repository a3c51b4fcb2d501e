import type { Hex } from '../../codec/hex.ts';
import type { HeadChange } from '../block/block-store.ts';
import type { DevBlock } from '../block/block.ts';
import { headerJson } from '../block/header.ts';
import { isHex } from '../hex.ts';
import type { DevNode } from '../node.ts';
import type { Method, Methods, Subscription, Subscriptions } from './method.ts';
import type { Params } from './params.ts';
import { rpcErrors } from './rpc-error.ts';

const getBlockHash: Method = (node, params) => {
  const asked = params.raw(0);
  const one = (value: unknown): Hex | null => {
    if (value === undefined || value === null) return node.blocks.head.hash;
    const number = typeof value === 'string' && /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : value;
    if (typeof number !== 'number') throw rpcErrors.invalidParams('a block number must be a number');
    return node.blocks.byNumber(number)?.hash ?? null;
  };
  return Array.isArray(asked) ? asked.map(one) : one(asked);
};

const getFinalizedHead: Method = (node) => node.blocks.finalized.hash;

/** Unlike state, an unknown block is no error here. */
function known(node: DevNode, params: Params): DevBlock | undefined {
  const hash = params.raw(0);
  if (hash === undefined) return node.blocks.head;
  if (!isHex(hash, 32)) throw rpcErrors.invalidParams('a block hash must be 32 bytes of hex');
  return node.blocks.byHash(hash);
}

const chainMethods: Methods = {
  chain_getBlockHash: getBlockHash,
  chain_getHead: getBlockHash,
  chain_getFinalizedHead: getFinalizedHead,
  chain_getFinalisedHead: getFinalizedHead,
  chain_getHeader: (node, params) => {
    const block = known(node, params);
    return block === undefined ? null : headerJson(block.header);
  },
  chain_getBlock: (node, params) => {
    const block = known(node, params);
    if (block === undefined) return null;
    return { block: { header: headerJson(block.header), extrinsics: block.extrinsics }, justifications: null };
  },
};

/** Sends the header of `first` at once and of what `pick` takes of each change. */
function heads(
  notification: string,
  unsubscribe: readonly string[],
  first: (node: DevNode) => DevBlock,
  pick: (change: HeadChange, node: DevNode) => readonly DevBlock[],
): Subscription {
  return {
    notification,
    unsubscribe,
    open: (node, _params, sink) => {
      sink.send(headerJson(first(node).header));
      return node.onHeadChanged((change) => {
        for (const block of pick(change, node)) sink.send(headerJson(block.header));
      });
    },
  };
}

const head = (node: DevNode): DevBlock => node.blocks.head;
const newHeads = heads(
  'chain_newHead',
  ['chain_unsubscribeNewHeads', 'chain_unsubscribeNewHead', 'unsubscribe_newHead'],
  head,
  (_change, node) => [node.blocks.head],
);
const finalizedHeads = heads(
  'chain_finalizedHead',
  ['chain_unsubscribeFinalizedHeads', 'chain_unsubscribeFinalisedHeads'],
  (node) => node.blocks.finalized,
  (change) => change.finalized,
);
const allHeads = heads('chain_allHead', ['chain_unsubscribeAllHeads'], head, (change) => change.enacted);

const chainSubscriptions: Subscriptions = {
  chain_subscribeNewHeads: newHeads,
  chain_subscribeNewHead: newHeads,
  subscribe_newHead: newHeads,
  chain_subscribeFinalizedHeads: finalizedHeads,
  chain_subscribeFinalisedHeads: finalizedHeads,
  chain_subscribeAllHeads: allHeads,
};

export { chainMethods, chainSubscriptions };
