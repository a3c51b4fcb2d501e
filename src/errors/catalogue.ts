import { agentErrors } from './catalogue/agent.ts';
import { channelErrors } from './catalogue/channel.ts';
import { chainErrors } from './catalogue/chain.ts';
import { cliErrors } from './catalogue/cli.ts';
import { codecErrors } from './catalogue/codec.ts';
import { contractErrors } from './catalogue/contract.ts';
import { cryptoErrors } from './catalogue/crypto.ts';
import { devChainErrors } from './catalogue/dev-chain.ts';
import { inboxErrors } from './catalogue/inbox.ts';
import { outboxErrors } from './catalogue/outbox.ts';
import { phalaErrors } from './catalogue/phala.ts';
import { presenceErrors } from './catalogue/presence.ts';
import { relayErrors } from './catalogue/relay.ts';
import { storeErrors } from './catalogue/store.ts';
import { vaultErrors } from './catalogue/vault.ts';
import { workerStateErrors } from './catalogue/worker-state.ts';

/** Every failure that khala-relay reports, by stable code. docs/errors.md is generated from it. */
export const catalogue = {
  ...codecErrors,
  ...cryptoErrors,
  ...contractErrors,
  ...vaultErrors,
  ...agentErrors,
  ...chainErrors,
  ...workerStateErrors,
  ...channelErrors,
  ...outboxErrors,
  ...inboxErrors,
  ...phalaErrors,
  ...presenceErrors,
  ...relayErrors,
  ...storeErrors,
  ...devChainErrors,
  ...cliErrors,
} as const;

export type ErrorCode = keyof typeof catalogue;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}
