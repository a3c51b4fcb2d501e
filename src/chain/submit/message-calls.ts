import { toHex, type Hex } from '../../codec/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { messageCallIndex } from './encode-message-call.ts';

/** How signed messages of workers are posted with a runtime, and on what it depends that they come in. */
export interface MessageCalls {
  /** Indices of `PhalaMq.syncOffchainMessage`, 2 bytes; undefined where it takes something else. */
  readonly one: Hex | undefined;
  /** Of `Utility.batchAll`, which comes to nothing where one of its calls fails; undefined where there is none. */
  readonly all: Hex | undefined;
  /** Of such a batch: one of more fails. */
  readonly mostCalls: number;
  /** The runtime can refuse calls for a while that it lets through before and after. */
  readonly mayPause: boolean;
}

/** Pallets by which calls are refused for a while. */
const pausing = ['TxPause', 'SafeMode', 'TransactionPause', 'MaintenanceMode'];

export function messageCallsOf(runtime: Runtime): MessageCalls {
  const one = messageCallIndex(runtime, 'sync-offchain-message');
  const all = runtime.callIndex('utility', 'batchAll');
  return {
    one: one && toHex(one),
    all: all && toHex(all),
    mostCalls: mostCallsOfBatch(runtime),
    mayPause: pausing.some((pallet) => runtime.palletIndex(pallet) !== undefined),
  };
}

/** From `Utility.batched_calls_limit`. */
export function mostCallsOfBatch(runtime: Runtime): number {
  return Number(runtime.constant('utility', 'batchedCallsLimit')?.toString() ?? Infinity);
}
