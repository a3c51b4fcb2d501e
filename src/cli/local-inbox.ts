import type { Chain } from '../chain/index.ts';
import type { RelayError } from '../errors/index.ts';
import { createInbox, type Inbox } from '../inbox/index.ts';
import type { Vault } from '../vault/index.ts';
import type { WorkerStateView } from '../worker-state/index.ts';
import { firstBlock } from './parse-number.ts';
import { verified, type EntityData } from './session.ts';
import type { Settings } from './settings.ts';

const msPerDay = 86_400_000;
// What a mailbox gives must not be too old for the inbox; less than the protocol's would lose what others kept.
const defaultRetentionMs = 30 * msPerDay;

export interface LocalInboxParts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly watch: { readonly state: Pick<WorkerStateView, 'has'> };
  readonly settings: Settings;
  /** `--from`. */
  readonly from: string | undefined;
  /** What is worth knowing and holds nothing up. */
  readonly onNotice: (notice: RelayError) => void;
}

/** The inbox of the vault's entity as `listen` and `serve` run it. Throws bad-setting. */
export function inboxOf({ chain, vault, data, watch, settings, from, onNotice }: LocalInboxParts): Inbox {
  return createInbox({
    chain,
    vault,
    store: data.store,
    finality: settings.finality,
    ...verified(settings),
    isRegistered: (id) => watch.state.has(id),
    onGap: settings.onGap,
    onNotice,
    retentionMs: Math.max(settings.retention * msPerDay, defaultRetentionMs),
    ...(from === undefined ? {} : { from: firstBlock(from) }),
  });
}
