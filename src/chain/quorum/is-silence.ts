import { isRelayError } from '../../errors/index.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';

const codes = ['rpc-failed', 'node-lies', 'wrong-chain', 'chain-unreachable', 'state-discarded'] as const;

/** Whether an endpoint that was asked by itself failed to say: what it has is not known then. Anything else is not its doing. */
export function isSilence(error: unknown): boolean {
  return (
    error instanceof RpcError || error instanceof ConnectionLost || codes.some((code) => isRelayError(error, code))
  );
}
