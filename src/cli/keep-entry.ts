import type { Account, Chain } from '../chain/index.ts';
import { openInboxFiles } from '../inbox/index.ts';
import { keepPresence, type Presence, type PresenceEvent } from '../presence/index.ts';
import type { Vault } from '../vault/index.ts';
import type { JsonEvent, Output } from './output.ts';
import type { EntityData } from './session.ts';
import type { Settings } from './settings.ts';
import type { Warn } from './warn.ts';

export interface KeepEntryParts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly settings: Settings;
  readonly account: Account | undefined;
  readonly output: Output;
  readonly warn: Warn;
  /** Whether all that was sent before is received, and what comes is read: only then retired EcdhKeys may be erased. */
  readonly isRead: () => boolean;
}

const msPerDay = 86_400_000;

/** Keeps the entity's own entry on chain while a command runs, and prints what it does. */
export function keepEntry({ chain, vault, data, settings, account, output, warn, isRead }: KeepEntryParts): Presence {
  const presence = keepPresence({
    chain,
    vault,
    store: data.store,
    rotateEveryMs: settings.rotateEvery * msPerDay,
    keepEpochsMs: settings.keepEpochs * msPerDay,
    keysInUse: async () => (isRead() ? (await openInboxFiles(data.store)).keysInUse() : undefined),
    ...(account === undefined ? {} : { account }),
  });
  presence.events$.subscribe((event) => {
    if (event.type === 'failed') warn(`the entry on chain can not be kept yet: ${event.error.message}`, event.error);
    else if (event.type === 'due') warn(reminder(event));
    else output.print(jsonOf(event), sentence(event));
  });
  return presence;
}

type Done = Exclude<PresenceEvent, { type: 'failed' | 'due' }>;

function jsonOf({ type, ...facts }: Done): JsonEvent {
  return { event: type, ...facts };
}

function sentence(event: Done): string {
  switch (event.type) {
    case 'rotated':
      return `Epoch ${event.epoch} is current since block ${event.block}.`;
    case 'erased':
      return `Erased the EcdhKeys of epochs ${event.epochs.join(', ')}: their time was over.`;
    case 'republished':
      return `Published the endpoints again in block ${event.block}: somebody had brought older ones back.`;
  }
}

function reminder({ what: due }: Extract<PresenceEvent, { type: 'due' }>): string {
  const what = due === 'rotation' ? 'The EcdhKey is due for rotation' : 'Somebody brought older endpoints back';
  return `${what}; give an account with KHALA_RELAY_SURI, or run khala-relay rotate or endpoint set.`;
}
