import type { Hex } from '../../codec/index.ts';
import type { MailStoreTotals } from '../mail-store.ts';
import { recipientOf } from './layout.ts';
import { countOf } from './reply-boxes.ts';
import type { Shards } from './shard.ts';

interface StreamState {
  readonly state?: { readonly bytes: number; readonly subjects?: Readonly<Record<string, number>> };
}

/** What all mailboxes hold, as the streams tell it. */
export class Census {
  readonly #shards: Shards;
  #counting: Promise<MailStoreTotals> | undefined;

  constructor(shards: Shards) {
    this.#shards = shards;
  }

  /** Also tells that every stream has a leader. Throws mail-store-failed. */
  totals(): Promise<MailStoreTotals> {
    this.#counting ??= this.#count().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  /** Those with unacknowledged messages. Throws mail-store-failed. */
  async *recipients(): AsyncIterable<Hex> {
    for (const { stream, allMail } of this.#shards.all)
      for (
        let offset = 0, page: readonly string[];
        (page = await this.#subjects(stream, allMail, offset)).length > 0;
      ) {
        yield* page.map(recipientOf);
        offset += page.length;
      }
  }

  async #count(): Promise<MailStoreTotals> {
    const shards = await Promise.all(
      this.#shards.all.map(async (shard) => {
        const [{ state }, count, recipients, replyBoxes] = await Promise.all([
          this.#shards.leader.api<StreamState>(`STREAM.INFO.${shard.stream}`, {}),
          countOf(this.#shards, shard, shard.allMail),
          countOf(this.#shards, shard, shard.allMailboxes),
          countOf(this.#shards, shard, shard.allReplyBoxes),
        ]);
        return { recipients, replyBoxes, count, bytes: state?.bytes ?? 0 };
      }),
    );
    return shards.reduce((sum, { recipients, replyBoxes, count, bytes }) => ({
      recipients: sum.recipients + recipients,
      replyBoxes: sum.replyBoxes + replyBoxes,
      count: sum.count + count,
      bytes: sum.bytes + bytes,
    }));
  }

  /** A page of those that have messages. */
  async #subjects(stream: string, filter: string, offset: number): Promise<readonly string[]> {
    const request = { subjects_filter: filter, offset };
    const { state } = await this.#shards.leader.api<StreamState>(`STREAM.INFO.${stream}`, request);
    return Object.keys(state?.subjects ?? {});
  }
}
