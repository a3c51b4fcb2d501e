import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { OffChainCarrier } from '../outbox/off-chain-carrier.ts';
import type { RelayClient } from './client.ts';
import { mayFollow, type EndpointPolicy } from './endpoint-policy.ts';
import type { RelayDirectory } from './relay-options.ts';

export interface CarrierOptions extends EndpointPolicy {
  readonly client: RelayClient;
  /** WorkerState. */
  readonly directory: RelayDirectory;
}

/** The outbox's way off chain: to the recipient itself, else to its relays, as its endpoints on chain say. */
export function createCarrier({ client, directory, ...policy }: CarrierOptions): OffChainCarrier {
  const endpointsOf = (to: Hex): readonly string[] =>
    (directory.get(to)?.endpoints ?? []).filter((endpoint) => mayFollow(endpoint, policy));
  return {
    canReach: (to) => endpointsOf(to).length > 0,
    carry: async (signedEnvelope, to, signal) => {
      const endpoints = endpointsOf(to);
      if (endpoints.length === 0)
        throw new RelayError('recipient-unreachable', {
          details: { recipient: to, reason: 'none of its endpoints on chain may be followed' },
        });
      const { endpoint, status } = await client.send(signedEnvelope, endpoints, signal === undefined ? {} : { signal });
      return { endpoint, status };
    },
  };
}
