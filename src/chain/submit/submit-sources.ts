import type { Observable } from 'rxjs';
import type { Hex } from '../../codec/index.ts';
import type { Finality } from '../head/head.ts';
import type { Clock } from '../clock.ts';
import type { HeadReader } from '../head/head-reader.ts';
import type { NewestHead } from '../head/newest-heads.ts';
import type { Connection } from '../rpc/connection.ts';
import type { RuntimeCache } from '../runtime/runtime-cache.ts';
import type { ReadAt } from '../storage/read-at.ts';
import type { BlockStorage } from '../storage/block-storage.ts';
import type { ReadBody } from '../storage/body-reader.ts';

/** What submission needs of the rest of the room. */
export interface SubmitSources {
  readonly connection: Connection;
  readonly heads: HeadReader;
  readonly newest$: Readonly<Record<Finality, Observable<NewestHead>>>;
  readonly runtimes: RuntimeCache;
  readonly readAt: ReadAt;
  readonly bodyOf: ReadBody;
  readonly clock: Clock;
  readonly random: () => number;
  storageAt(block: Hex): BlockStorage;
  /** The account's nonce in the state of a block. */
  readonly nonceAt: (account: Hex, block: Hex, signal: AbortSignal | undefined) => Promise<number>;
  isSudo(account: Hex, signal: AbortSignal | undefined): Promise<boolean>;
  /** Free balance in the token's own unit, as text. */
  freeBalance(account: Hex, signal: AbortSignal | undefined): Promise<string>;
  readonly facts: { readonly genesisHash: Hex; readonly paraId: number; readonly tokenSymbol: string };
}
