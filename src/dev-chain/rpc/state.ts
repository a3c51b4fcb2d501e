import type { Hex } from '../../codec/hex.ts';
import type { DevBlock } from '../block/block.ts';
import type { DevNode } from '../node.ts';
import type { Method, Methods, Subscription, Subscriptions } from './method.ts';
import { stateOf } from './params.ts';
import { rpcErrors } from './rpc-error.ts';

/** sc-rpc's limit of a page. */
const maxPage = 1_000;

const getStorage: Method = (node, params) => params.state(1, node).get(params.hex(0, 'the key')) ?? null;

const getKeysPaged: Method = (node, params) => {
  const prefix = params.optionalHex(0, 'the prefix') ?? '0x';
  const count = params.integer(1, 'the count');
  if (count > maxPage) throw rpcErrors.tooManyKeys(count, maxPage);
  // `0x` and a missing start key both mean the beginning; the prefix itself may be a key.
  const start = params.optionalHex(2, 'the start key');
  const state = params.state(3, node);
  if (start !== undefined && start !== '0x') return state.keys(prefix, start, count);
  const own = prefix !== '0x' && state.get(prefix) !== undefined ? [prefix] : [];
  return [...own, ...state.keys(prefix, prefix, count)].slice(0, count);
};

const getRuntimeVersion: Method = (node, params) => params.block(0, node).runtime.version;

const call: Method = async (node, params) => {
  const state = params.state(2, node);
  const { result } = await node.runtimes.call(params.text(0, 'the function'), [params.hex(1, 'the argument')], state);
  return result;
};

function changes(block: DevBlock, keys: readonly Hex[]): { block: Hex; changes: (readonly [Hex, Hex | null])[] } {
  const state = stateOf(block);
  return { block: block.hash, changes: keys.map((key) => [key, state.get(key) ?? null] as const) };
}

/** The values at the first block, then what differs at each later one, along the parents of the last. Throws 4001. */
function queryStorage(node: DevNode, keys: readonly Hex[], from: DevBlock, to: DevBlock): unknown {
  const known = new Map<Hex, Hex | null>();
  const sets = [];
  const blocks: DevBlock[] = [];
  let first = to;
  for (; first.number > from.number; first = node.blocks.find(first.header.parentHash)) blocks.unshift(first);
  if (first.hash !== from.hash) throw rpcErrors.blockRange(from.hash, to.hash);
  for (const block of [first, ...blocks]) {
    const set = changes(block, keys);
    const changed = set.changes.filter(([key, value]) => !known.has(key) || known.get(key) !== value);
    for (const [key, value] of changed) known.set(key, value);
    if (changed.length > 0) sets.push({ block: set.block, changes: changed });
  }
  return sets;
}

const stateMethods: Methods = {
  state_getStorage: getStorage,
  state_getStorageAt: getStorage,
  state_getStorageHash: (node, params) => {
    const value = params.state(1, node).get(params.hex(0, 'the key'));
    return value === undefined ? null : node.hashOf(value);
  },
  state_getStorageSize: (node, params) => {
    const value = params.state(1, node).get(params.hex(0, 'the key'));
    return value === undefined ? null : value.length / 2 - 1;
  },
  state_getKeysPaged: getKeysPaged,
  state_getKeysPagedAt: getKeysPaged,
  state_getKeys: (node, params) => {
    const prefix = params.optionalHex(0, 'the prefix') ?? '0x';
    return params.state(1, node).keys(prefix, prefix, Infinity);
  },
  state_getPairs: (node, params) => {
    const prefix = params.optionalHex(0, 'the prefix') ?? '0x';
    const state = params.state(1, node);
    return state.keys(prefix, prefix, Infinity).map((key) => [key, state.get(key)]);
  },
  state_queryStorageAt: (node, params) => [changes(params.block(1, node), params.hexList(0, 'the keys'))],
  state_queryStorage: (node, params) =>
    queryStorage(node, params.hexList(0, 'the keys'), params.block(1, node), params.block(2, node)),
  state_getReadProof: (node, params) => {
    const block = params.block(1, node);
    const proof = stateOf(block).proof(params.hexList(0, 'the keys'), block.stateVersion);
    return { at: block.hash, proof };
  },
  state_getMetadata: (node, params) => {
    const block = params.block(0, node);
    stateOf(block);
    return block.runtime.metadata;
  },
  state_getRuntimeVersion: getRuntimeVersion,
  chain_getRuntimeVersion: getRuntimeVersion,
  state_call: call,
  state_callAt: call,
};

const storage: Subscription = {
  notification: 'state_storage',
  unsubscribe: ['state_unsubscribeStorage'],
  open: (node, params, sink) => {
    const keys = params.hexList(0, 'the keys');
    const first = changes(node.blocks.head, keys);
    const known = new Map(first.changes);
    sink.send(first);
    return node.onHeadChanged(() => {
      const now = changes(node.blocks.head, keys);
      const changed = now.changes.filter(([key, value]) => known.get(key) !== value);
      for (const [key, value] of changed) known.set(key, value);
      if (changed.length > 0) sink.send({ block: now.block, changes: changed });
    });
  },
};

const runtimeVersion: Subscription = {
  notification: 'state_runtimeVersion',
  unsubscribe: ['state_unsubscribeRuntimeVersion', 'chain_unsubscribeRuntimeVersion'],
  open: (node, _params, sink) => {
    let { runtime } = node.blocks.head;
    sink.send(runtime.version);
    return node.onHeadChanged(() => {
      const now = node.blocks.head.runtime;
      if (now.code === runtime.code) return;
      runtime = now;
      sink.send(now.version);
    });
  },
};

const stateSubscriptions: Subscriptions = {
  state_subscribeStorage: storage,
  state_subscribeRuntimeVersion: runtimeVersion,
  chain_subscribeRuntimeVersion: runtimeVersion,
};

export { stateMethods, stateSubscriptions };
