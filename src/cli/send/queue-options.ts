import type { Command } from 'commander';
import type { Chain } from '../../chain/index.ts';
import { createRelayClient, type RelayClient } from '../../relay/index.ts';
import { amountOf } from '../parse-amount.ts';
import { mayReachPrivate, timeoutMs } from '../session.ts';
import type { Settings } from '../settings.ts';

/** Settings of what works on an entity's queue. */
export const queueSettings = [
  ...(['ws', 'genesis', 'quorum', 'verify', 'vault', 'data', 'timeout'] as const),
  ...(['allowPrivate', 'requireProven', 'forwarder'] as const),
] as const;

export function withTip(command: Command): Command {
  const tip = "on chain: above the fee, to go first, in the chain's smallest unit";
  return command.option('--tip <amount>', tip, amountOf('tip'));
}

/** `what` goes, and may cost no more. */
export function withMaxFee(command: Command, what: 'message' | 'command'): Command {
  const most = `on chain: the most that the ${what} may cost, in the chain's smallest unit`;
  return command.option('--max-fee <amount>', most, amountOf('max-fee'));
}

/** The way off chain of a command. */
export function relayClientOf(settings: Settings, chain: Chain): RelayClient {
  return createRelayClient({
    genesisHash: chain.genesisHash,
    allowPrivate: mayReachPrivate(settings, chain),
    timeoutMs: timeoutMs(settings),
  });
}
