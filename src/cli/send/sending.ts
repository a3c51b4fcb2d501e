import type { Account, Chain } from '../../chain/index.ts';
import type { BodyInput, Hex } from '../../codec/index.ts';
import type { OutboxOptions } from '../../outbox/index.ts';
import { createCarrier, type RelayClient } from '../../relay/index.ts';
import type { Vault } from '../../vault/index.ts';
import type { WorkerEntry } from '../../worker-state/index.ts';
import type { Context } from '../command.ts';
import { mayReachPrivate, type EntityData } from '../session.ts';
import type { Recipients } from './recipients.ts';
import { tellNotice } from '../tell-notice.ts';
import type { Word } from './awaited-words.ts';
import type { Wait } from './wait.ts';

/** What a sender is willing to pay on chain. */
export interface PayingFlags {
  readonly tip?: bigint;
  readonly maxFee?: bigint;
}

export interface SendFlags extends PayingFlags {
  readonly as: 'worker' | 'account';
  readonly via: 'auto' | 'chain' | 'relay';
  readonly wait?: Wait;
  readonly freshKey?: true;
  readonly receipt?: readonly Word[];
}

/** What whoever works on the queue needs. */
export interface QueueParts {
  readonly context: Context<PayingFlags>;
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  /** Those whom messages wait for. */
  readonly directory: Recipients;
  readonly account: Account | undefined;
  readonly client: RelayClient;
}

/** What all ways of sending to one recipient need. */
export interface SendingParts extends QueueParts {
  readonly context: Context<SendFlags>;
  readonly to: Hex;
  readonly recipient: WorkerEntry;
}

export interface Sending extends SendingParts {
  readonly body: BodyInput;
}

/** What the sender is willing to pay on chain. */
export function paying({ tip, maxFee }: PayingFlags): Pick<OutboxOptions, 'tip' | 'maxFee'> {
  return { ...(tip === undefined ? {} : { tip }), ...(maxFee === undefined ? {} : { maxFee }) };
}

/** Who sends, for the channel, the outbox and the requester. */
export function senderOf({ vault, chain, data, directory, context }: QueueParts) {
  const { requireProven } = context.settings;
  return { vault, genesisHash: chain.genesisHash, store: data.store, directory, requireProven };
}

/** The way off chain, and back for the words that a message was delivered, and read. */
export function carrierOf({ client, chain, vault, directory, context }: QueueParts) {
  const entity = { vault, genesisHash: chain.genesisHash };
  const { settings } = context;
  const allowPrivate = mayReachPrivate(settings, chain);
  return createCarrier({ client, directory, entity, allowPrivate, forwarders: settings.forwarder });
}

/** How the messages of a command are sent. */
export function mannerOf({ as, via, freshKey, maxFee, receipt = [], wait }: SendFlags) {
  return {
    ...{ as, via },
    ...(freshKey === undefined ? {} : { freshKey }),
    ...(maxFee === undefined ? {} : { maxFee }),
    ...((wait === 'delivered' || receipt.includes('delivered')) && { deliveryReceipt: true as const }),
    ...(receipt.includes('read') && { readReceipt: true as const }),
  };
}

/** All but the way off chain. */
export function outboxOptionsOf(parts: QueueParts): OutboxOptions {
  const { chain, account, context } = parts;
  return {
    ...senderOf(parts),
    chain,
    ...(account === undefined ? {} : { account }),
    ...paying(context.flags),
    onNotice: tellNotice,
  };
}
