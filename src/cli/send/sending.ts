import type { Account, Chain } from '../../chain/index.ts';
import type { BodyInput, Hex } from '../../codec/index.ts';
import type { OutboxOptions } from '../../outbox/index.ts';
import type { RelayClient } from '../../relay/index.ts';
import type { Vault } from '../../vault/index.ts';
import type { WorkerEntry } from '../../worker-state/index.ts';
import type { Context } from '../command.ts';
import type { EntityData } from '../session.ts';
import { Recipients } from './recipients.ts';
import type { Wait } from './wait.ts';

export interface SendFlags {
  readonly as: 'worker' | 'account';
  readonly via: 'auto' | 'chain' | 'relay';
  readonly wait?: Wait;
  readonly freshKey?: true;
  readonly tip?: bigint;
  readonly maxFee?: bigint;
}

/** What all ways of sending need. */
export interface SendingParts {
  readonly context: Context<SendFlags>;
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly to: Hex;
  readonly recipient: WorkerEntry;
  readonly account: Account | undefined;
  readonly client: RelayClient;
}

export interface Sending extends SendingParts {
  readonly body: BodyInput;
}

/** What the sender is willing to pay on chain. */
export function paying({ tip, maxFee }: Pick<SendFlags, 'tip' | 'maxFee'>): Pick<OutboxOptions, 'tip' | 'maxFee'> {
  return { ...(tip === undefined ? {} : { tip }), ...(maxFee === undefined ? {} : { maxFee }) };
}

/** Who sends, for the channel, the outbox and the requester. */
export function senderOf({ vault, chain, data, recipient, context }: SendingParts) {
  const directory = new Recipients(chain, data.store, recipient);
  const { requireProven } = context.settings;
  return { vault, genesisHash: chain.genesisHash, store: data.store, directory, requireProven };
}
