import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { OffChainCarrier } from '../outbox/off-chain-carrier.ts';
import type { Vault } from '../vault/vault.ts';
import type { RelayClient } from './client.ts';
import { mayFollow, noneFollowed, type EndpointPolicy } from './endpoint-policy.ts';
import { mayBeHandedOn } from './reply-places.ts';
import { openReply } from './read-reply.ts';
import type { RelayDirectory } from './relay-options.ts';

export interface CarrierOptions extends EndpointPolicy {
  readonly client: RelayClient;
  /** WorkerState. */
  readonly directory: RelayDirectory;
  /** Relays that hand on what no endpoint of the recipient takes from here. Base URLs. Default: none. */
  readonly forwarders?: readonly string[];
  /** Of the sender: for the word of recipients that they have read its messages. Default: that is not waited for at relays. */
  readonly entity?: {
    readonly vault: Pick<Vault, 'identity' | 'sign' | 'open'>;
    readonly genesisHash: Hex;
  };
}

/** The outbox's way off chain: to the recipient itself, else to its relays, as its endpoints on chain say. */
export function createCarrier({
  client,
  directory,
  entity,
  forwarders = [],
  ...policy
}: CarrierOptions): OffChainCarrier {
  const endpointsOf = (to: Hex): readonly string[] =>
    (directory.get(to)?.endpoints ?? []).filter((endpoint) => mayFollow(endpoint, policy));
  const canReach = (to: Hex): boolean =>
    endpointsOf(to).length > 0 || (forwarders.length > 0 && (directory.get(to)?.endpoints ?? []).length > 0);
  const way: OffChainCarrier = {
    canReach,
    carry: async (signedEnvelope, to, signal) => {
      const endpoints = [...endpointsOf(to), ...forwarders];
      if (!canReach(to)) {
        const reason = noneFollowed(directory.get(to)?.endpoints ?? [], policy) || 'it has none on chain';
        throw new RelayError('recipient-unreachable', { details: { recipient: to, reason } });
      }
      const { endpoint, status } = await client.send(signedEnvelope, endpoints, signal === undefined ? {} : { signal });
      return { endpoint, status };
    },
    awaitDelivered: ({ endpoint: url, status, to, ...message }, signal) => {
      const handedOn = mayBeHandedOn(status) && { handedOn: { to, endpoints: directory.get(to)?.endpoints ?? [] } };
      return client.awaitDelivered({ url, to, ...message, ...handedOn, signal });
    },
  };
  return entity === undefined ? way : { ...way, awaitReplies: repliesTo(client, directory, entity) };
}

function repliesTo(
  client: RelayClient,
  directory: RelayDirectory,
  entity: NonNullable<CarrierOptions['entity']>,
): NonNullable<OffChainCarrier['awaitReplies']> {
  const { vault } = entity;
  return async ({ endpoint, senderKey, handedOnTo: to }, take, signal) => {
    const handedOn = to === undefined ? undefined : { to, endpoints: directory.get(to)?.endpoints ?? [] };
    const place = {
      ...{ url: endpoint, senderKey, identity: vault.identity, sign: vault.sign.bind(vault), signal },
      ...(handedOn !== undefined && { handedOn }),
    };
    // One at a time, each kept before the relay is told to drop it.
    while (!signal.aborted)
      await client.awaitReply({
        ...place,
        open: async (signed) => {
          const reply = await openReply(signed, entity);
          return reply !== undefined && (await take(reply)) ? true : undefined;
        },
      });
  };
}
