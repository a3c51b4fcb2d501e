import type { Hex } from '../../codec/index.ts';
import { expectObject } from '../rpc/expect.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { saysMissing } from '../storage/block-reader.ts';

/** Blocks by which an endpoint must have gone on, without a branch, before its word counts against it. */
export const patience = 8;

/** Whether an endpoint has the header of a block. Throws as {@link OtherEndpoints.ask}. */
export async function knowsBlock(endpoints: Pick<OtherEndpoints, 'ask'>, url: string, hash: Hex): Promise<boolean> {
  try {
    return (await endpoints.ask(url, 'chain_getHeader', [hash])) !== null;
  } catch (error) {
    if (error instanceof RpcError && saysMissing(error.reason)) return false;
    throw error;
  }
}

/** Nodes say that they sync while a peer of theirs is more than five blocks ahead. Throws as {@link OtherEndpoints.ask}. */
export async function isInSync(endpoints: Pick<OtherEndpoints, 'ask'>, url: string): Promise<boolean> {
  const method = 'system_health';
  const health = expectObject(await endpoints.ask(url, method), method);
  return health['isSyncing'] === false && (health['peers'] !== 0 || health['shouldHavePeers'] === false);
}
