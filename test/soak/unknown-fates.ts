import { equalBytes } from '../../src/codec/index.ts';
import type { Span } from './gaps.ts';
import type { SenderEntry } from './ledger.ts';
import type { PostedMessage } from './truth.ts';

interface Sender {
  readonly id: string;
  readonly entries: readonly SenderEntry[];
  readonly isWorkerShared?: boolean;
}

interface Notice extends Span {
  readonly sender: string;
  /** Of so many messages more it may be that it told of them. */
  left: number;
}

/**
 * What outboxes told that nobody can know: which messages of a worker are in blocks that were forgotten, where other software uses
 * its sequences. Those messages go again, sealed anew.
 */
export class UnknownFates {
  readonly #notices: readonly Notice[];

  constructor(senders: readonly Sender[]) {
    this.#notices = senders.flatMap(({ id: sender, entries, isWorkerShared = false }) =>
      entries.flatMap((entry): Notice[] =>
        isWorkerShared && entry.event === 'fate-unknown'
          ? [{ sender, first: entry.first, last: entry.last, left: countOf(entry.what) }]
          : [],
      ),
    );
  }

  /**
   * Of the blocks that a message is in, in order: all but those of which its outbox told so, and behind which it posted other
   * bytes.
   */
  known(posted: readonly PostedMessage[]): readonly PostedMessage[] {
    const told = new Set<Notice>();
    return posted.filter((each, i) => {
      const { sender, block, payload } = each;
      const isOther = posted.every((other) => other === each || !equalBytes(other.payload, payload));
      const notice = this.#notices.find(
        (one) =>
          one.sender === sender &&
          one.left > 0 &&
          !told.has(one) &&
          one.first <= block &&
          block <= one.last &&
          posted.slice(i + 1).some((later) => later.block > one.last),
      );
      if (!isOther || notice === undefined) return true;
      told.add(notice);
      notice.left -= 1;
      return false;
    });
  }
}

/** Of how many messages a notice tells: it names the first. */
function countOf(what: string): number {
  const [, more = '0'] = / and (\d+) more$/.exec(what) ?? [];
  return 1 + Number(more);
}
