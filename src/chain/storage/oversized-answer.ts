import { oversizeCode, type RpcError } from '../rpc/rpc-error.ts';

/** The answer exceeds what the node sends at once: ask for less. Inside the chain room only. */
export class OversizedAnswer extends Error {
  override readonly name = 'OversizedAnswer';
}

export function isOversize(error: RpcError): boolean {
  return error.code === oversizeCode || /response is too big|too large/i.test(error.reason);
}
