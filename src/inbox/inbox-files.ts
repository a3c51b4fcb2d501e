import type { BlockNumber } from '../chain/index.ts';
import { ReplayWindow } from '../channel/index.ts';
import { messageId, type FromKind, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import type { DeadLetter } from './dead-letter.ts';
import { InboxStore } from './inbox-store.ts';
import { keysInUse, type KeysInUse } from './keys-in-use.ts';
import { checkLetters, retryLetters, type Retried } from './retry-letters.ts';
import type { StreamItem } from './stream-item.ts';
import { Transactions } from './transactions.ts';

/** What the store holds and the consumer has not acknowledged, or not been told yet. */
export type PendingDelivery = { readonly sequence: bigint } & (
  | {
      readonly kind: 'message';
      readonly messageId: Hex;
      readonly from: Hex;
      readonly fromKind: FromKind;
      readonly nonce: bigint;
      readonly via: 'chain' | 'relay';
      readonly block: BlockNumber | undefined;
      /** unfinalized, acknowledged (not final yet), retracted: with finality best only. */
      readonly state: 'unacknowledged' | 'unfinalized' | 'acknowledged' | 'retracted';
      readonly proven: boolean;
    }
  | { readonly kind: 'gap'; readonly first: BlockNumber; readonly last: BlockNumber }
  | { readonly kind: 'retracted' | 'reinstated' | 'finalized'; readonly messageId: Hex }
);

/** A dead letter as it is listed. */
export interface ListedLetter extends DeadLetter {
  /** What {@link InboxFiles.retry} knows it by. */
  readonly sequence: bigint;
  readonly messageId: Hex;
}

/** The inbox of an entity as its store has it, without a chain; another process may run it at the same time. */
export interface InboxFiles {
  readonly genesisHash: Hex;
  /** The last block of which everything is in the store; undefined before the first. */
  readonly cursor: { readonly number: BlockNumber; readonly hash: Hex } | undefined;
  pending(): AsyncGenerator<PendingDelivery>;
  deadLetters(): AsyncGenerator<ListedLetter>;
  /** EcdhKeys of the entity to which something is sealed that waits: as `keepPresence` asks for them. */
  keysInUse(): Promise<KeysInUse>;
  /**
   * Tries dead letters again, the oldest 256 where none are named, and says nothing of those that are not there; those that
   * open now are delivered by the running inbox, or the next one. Throws bad-value.
   */
  retry(vault: Vault, letters?: readonly bigint[]): Promise<readonly Retried[]>;
  /** Removes dead letters for good; those that there were. Throws bad-value. */
  discard(letters: readonly bigint[]): Promise<readonly bigint[]>;
}

/** Throws inbox-empty where the store never was an inbox's, and store-of-newer-version. */
export async function openInboxFiles(store: TransactionalStore): Promise<InboxFiles> {
  const files = new InboxStore(store);
  const genesisHash = await files.genesisHash();
  if (genesisHash === undefined) throw new RelayError('inbox-empty');
  await files.checkLayout();

  const retentionMs = await files.retentionMs();
  return {
    genesisHash,
    cursor: await files.cursor(),
    async *pending() {
      for await (const [sequence, item] of files.items())
        if (item.kind !== 'dead') yield { sequence, ...listed(item, genesisHash) };
    },
    keysInUse: () => keysInUse(store, files),
    async *deadLetters() {
      for await (const [sequence, letter] of files.letters.all())
        yield { ...letter, sequence, messageId: messageId({ genesisHash, envelope: letter.envelope }) };
    },
    retry: (vault, letters) => {
      const window = new ReplayWindow(store, retentionMs === undefined ? {} : { retentionMs });
      const parts = { store: files, window };
      const transactions = new Transactions({ ...parts, onAccepted: () => undefined, onDone: () => undefined });
      return retryLetters(transactions, { ...parts, vault, genesisHash, now: Date.now }, letters);
    },
    discard: async (letters) => {
      checkLetters(letters);
      const found: bigint[] = [];
      for (const sequence of new Set(letters))
        if ((await files.letters.get(sequence)) !== undefined) found.push(sequence);
      await files.commit(found.flatMap((sequence) => files.letters.removeWrites(sequence)));
      return found;
    },
  };
}

function listed(item: Exclude<StreamItem, { kind: 'dead' }>, genesisHash: Hex) {
  if (item.kind === 'gap') return { kind: item.kind, first: item.first, last: item.last };
  if (item.kind !== 'message') return { kind: item.kind, messageId: item.messageId };
  const { envelope, block, isFinal, isAcknowledged, isRetracted, isProven } = item;
  const { from, fromKind, nonce } = decodeV1(envelope).header;
  return {
    kind: item.kind,
    messageId: messageId({ genesisHash, envelope }),
    from,
    fromKind,
    nonce,
    via: block === undefined ? ('relay' as const) : ('chain' as const),
    block: block?.number,
    state: isRetracted
      ? ('retracted' as const)
      : isAcknowledged
        ? ('acknowledged' as const)
        : isFinal
          ? ('unacknowledged' as const)
          : ('unfinalized' as const),
    proven: isFinal && isProven,
  };
}
