import type { BlockNumber, MessageSender } from '../../chain/index.ts';
import { messageId, type Hex } from '../../codec/index.ts';
import { RelayError, type ErrorCode } from '../../errors/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import type { Vault } from '../../vault/index.ts';
import { reasonOfDeath } from '../dead-letter.ts';
import { checkLetters, type Retried } from '../retry-letters.ts';
import { openCommand } from './open-command.ts';
import { PhalaStore } from './phala-store.ts';

/** A posting that could not be read, as it is listed. */
export interface ListedCommand {
  /** What {@link PhalaFiles.retry} knows it by. */
  readonly sequence: bigint;
  readonly messageId: Hex;
  readonly topic: Uint8Array;
  /** As it stood there. */
  readonly payload: Uint8Array;
  /** Who posted it, by the chain's word. */
  readonly sender: MessageSender;
  readonly block: BlockNumber;
  readonly proven: boolean;
  /** Catalogue code of the reason. */
  readonly code: ErrorCode;
  /** How often it was tried again. */
  readonly retries: number;
}

/** What a Phala listener could not read, as its store has it, without a chain; another process may run it at the same time. */
export interface PhalaFiles {
  /** Oldest first, the newest 4 096 or 64 MiB of them. */
  deadLetters(): AsyncGenerator<ListedCommand>;
  /**
   * Tries them again, all where none are named, and says nothing of those that are not there. Those that open now are
   * delivered behind what was read by then: by a running listener with the next finalized block, or by the next one.
   * Throws bad-value.
   */
  retry(vault: Pick<Vault, 'openPhala'>, letters?: readonly bigint[]): Promise<readonly Retried[]>;
  /** Removes them for good; those that there were. Throws bad-value. */
  discard(letters: readonly bigint[]): Promise<readonly bigint[]>;
}

/** Throws inbox-empty where the store never was a listener's. */
export async function openPhalaFiles(store: TransactionalStore): Promise<PhalaFiles> {
  const files = new PhalaStore(store);
  const { letters } = files;
  const genesisHash = await files.genesisHash();
  if (genesisHash === undefined) throw new RelayError('inbox-empty');

  const retryOne = async (vault: Pick<Vault, 'openPhala'>, sequence: bigint): Promise<Retried | undefined> => {
    for (;;) {
      const mark = await letters.mark(sequence);
      const command = await letters.command(sequence);
      if (mark === undefined || command === undefined) return undefined;
      const id = messageId({ genesisHash, envelope: command.payload });
      try {
        await openCommand(vault, command.payload);
      } catch (error) {
        const { code } = reasonOfDeath(error);
        const { writes, expected } = letters.update(mark, code);
        if (await store.commit(writes, expected)) return { sequence, messageId: id, outcome: 'dead', code };
        continue;
      }
      if (await files.revive(mark, command)) return { sequence, messageId: id, outcome: 'accepted' };
    }
  };

  const discardOne = async (sequence: bigint): Promise<boolean> => {
    for (;;) {
      const mark = await letters.mark(sequence);
      if (mark === undefined) return false;
      const { writes, expected } = await letters.removal([mark]);
      if (await store.commit(writes, expected)) return true;
    }
  };

  return {
    async *deadLetters() {
      for await (const [sequence, { code, retries }] of letters.marks()) {
        const command = await letters.command(sequence);
        if (command === undefined) continue;
        const { topic, payload, sender, block, isProven } = command;
        const id = messageId({ genesisHash, envelope: payload });
        yield { sequence, messageId: id, topic, payload, sender, block, proven: isProven, code, retries };
      }
    },
    retry: async (vault, named) => {
      checkLetters(named);
      const wanted = new Set(named);
      if (named === undefined) for await (const [sequence] of letters.marks()) wanted.add(sequence);
      const tried: Retried[] = [];
      for (const sequence of wanted) {
        const one = await retryOne(vault, sequence);
        if (one !== undefined) tried.push(one);
      }
      return tried;
    },
    discard: async (named) => {
      checkLetters(named);
      const found: bigint[] = [];
      for (const sequence of new Set(named)) if (await discardOne(sequence)) found.push(sequence);
      return found;
    },
  };
}
