import type { Call } from '../chain/index.ts';
import type { Vault } from '../vault/vault.ts';
import type { SendId } from './send-id.ts';

/**
 * A worker's message that carries nothing, to nobody: it uses a sequence up. So what is signed for a later one and must not be
 * signed anew comes in as it is, where what was before it was given up.
 */
export interface Filler {
  readonly sequence: bigint;
  readonly call: Call;
}

/** No entity's, and nobody listens to it. */
const destination = new TextEncoder().encode('khala-relay/nothing');
const payload = new Uint8Array();

export async function fillerFor(vault: Pick<Vault, 'identity' | 'sign'>, sequence: bigint): Promise<Filler> {
  const signature = await vault.sign({ type: 'worker-message', destination, payload, sequence });
  const message = { worker: vault.identity, destination, payload, sequence, signature };
  return { sequence, call: { kind: 'sync-offchain-message', ...message } };
}

const noMessages = 1n << 63n;

/** Of an extrinsic with fillers alone: no message has such a number, nor another extrinsic with fillers for the same sequences. */
export function fillerFlight(): SendId {
  const [low = 0n] = crypto.getRandomValues(new BigUint64Array(1));
  return noMessages | low;
}
