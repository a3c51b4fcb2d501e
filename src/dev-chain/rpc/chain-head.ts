/** The `chainHead_v1`, `chainSpec_v1` and `transaction_v1` groups of the new JSON-RPC specification. */
import { randomBytes } from 'node:crypto';
import type { Hex } from '../../codec/hex.ts';
import type { DevBlock } from '../block/block.ts';
import { encodeHeader } from '../block/header.ts';
import { isHex } from '../hex.ts';
import type { DevNode } from '../node.ts';
import { Follow } from './follow.ts';
import type { Method, Methods, Subscription, Subscriptions } from './method.ts';
import { stateOf, type Params } from './params.ts';
import { asRpcError, rpcErrors, RpcError } from './rpc-error.ts';
import { readItems, type StorageQuery } from './storage-items.ts';

const limitReached = { result: 'limitReached' } as const;

/** Each server has its own: operations find their follow subscription by its id. */
export function chainHead(): { readonly methods: Methods; readonly subscriptions: Subscriptions } {
  const follows = new Map<string, Follow>();

  const follow: Subscription = {
    notification: 'chainHead_v1_followEvent',
    unsubscribe: ['chainHead_v1_unfollow'],
    open: (node, params, sink) => {
      const opened = new Follow(node, sink, params.raw(0) === true);
      follows.set(sink.id, opened);
      return () => {
        follows.delete(sink.id);
        opened.close();
      };
    },
  };

  /** Starts an operation on a block; its outcome comes as events of the follow subscription. */
  const operation =
    (
      perform: (block: DevBlock, node: DevNode, params: Params) => readonly object[] | Promise<readonly object[]>,
    ): Method =>
    (node, params) => {
      const found = follows.get(params.text(0, 'the subscription'));
      if (found === undefined) return limitReached;
      const block = pinned(node, params);
      const operationId = randomBytes(8).toString('hex');
      const run = async (): Promise<readonly object[]> => {
        try {
          return block.state === undefined ? [{ event: 'operationInaccessible' }] : await perform(block, node, params);
        } catch (error) {
          return [failure(error)];
        }
      };
      // The client must learn the id of the operation before its first event.
      setImmediate(() => {
        void run().then((events) => events.forEach((event) => found.send({ operationId, ...event })));
      });
      return { result: 'started', operationId, discardedItems: 0 };
    };

  const methods: Methods = {
    chainHead_v1_header: (node, params) =>
      follows.has(params.text(0, 'the subscription')) ? encodeHeader(pinned(node, params).header) : null,
    chainHead_v1_body: operation((block) => [{ event: 'operationBodyDone', value: block.extrinsics }]),
    chainHead_v1_call: operation(async (block, node, params) => {
      const argument = params.hex(3, 'the argument');
      const { result } = await node.runtimes.call(params.text(2, 'the function'), [argument], stateOf(block));
      return [{ event: 'operationCallDone', output: result }];
    }),
    chainHead_v1_storage: operation((block, node, params) => {
      const items = readItems(block, queriesOf(params), node);
      const done = { event: 'operationStorageDone' };
      return items.length === 0 ? [done] : [{ event: 'operationStorageItems', items }, done];
    }),
    chainHead_v1_continue: () => null,
    chainHead_v1_stopOperation: () => null,
    // Blocks are kept anyway.
    chainHead_v1_unpin: () => null,
    chainSpec_v1_chainName: (node) => node.spec.name,
    chainSpec_v1_genesisHash: (node) => node.blocks.genesis.hash,
    chainSpec_v1_properties: (node) => node.spec.properties,
    transaction_v1_broadcast: async (node, params) => {
      // As specified: what is wrong with a transaction is not told here.
      await node.submit(params.hex(0, 'the transaction')).catch(() => undefined);
      return randomBytes(8).toString('hex');
    },
    transaction_v1_stop: () => null,
  };
  return { methods, subscriptions: { chainHead_v1_follow: follow } };
}

function pinned(node: DevNode, params: Params): DevBlock {
  const hash = params.raw(1);
  const block = isHex(hash, 32) ? node.blocks.byHash(hash) : undefined;
  if (block === undefined) throw new RpcError(-32801, 'Invalid block hash');
  return block;
}

function queriesOf(params: Params): StorageQuery[] {
  const items = params.raw(2);
  if (!Array.isArray(items)) throw rpcErrors.invalidParams('the items must be a list');
  return items.map((item: unknown) => {
    const { key, type } = Object(item) as { readonly key?: unknown; readonly type?: unknown };
    if (!isHex(key) || typeof type !== 'string') throw rpcErrors.invalidParams('an item needs a key and a type');
    return { key: key.toLowerCase() as Hex, type };
  });
}

function failure(error: unknown): object {
  return { event: 'operationError', error: asRpcError(error).message };
}
