import type { Account, Chain, Finality } from '../chain/index.ts';
import type { Vault } from '../vault/index.ts';

/** What changing one's own entry on chain takes. */
export interface PresenceOptions {
  readonly chain: Chain;
  readonly vault: Vault;
  /** Signs and pays for the extrinsic. */
  readonly account: Account;
  /** What to wait for. Default best: in a block. */
  readonly finality?: Finality;
  readonly signal?: AbortSignal;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}
