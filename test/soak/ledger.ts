import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { FromKind, Hex } from '../../src/index.ts';

/** What a sender writes down, in this order for each message. */
export type SenderEntry =
  | { readonly event: 'started' }
  /** About to be queued: a crash may leave it queued or not. */
  | { readonly event: 'meant'; readonly to: Hex; readonly text: string }
  /** `send` has resolved: from now on it must arrive. */
  | { readonly event: 'queued'; readonly text: string; readonly nonce: string }
  | { readonly event: 'failed'; readonly to: Hex; readonly nonce: string; readonly code: string }
  /** Was in the queue when its sender was started again, whether or not the process before could write that down. */
  | { readonly event: 'stored'; readonly to: Hex; readonly nonce: string }
  | { readonly event: 'command-stored'; readonly sendId: string }
  /** Before anything new is queued: all that the queue holds is written down. */
  | { readonly event: 'listed' }
  | { readonly event: 'finalized'; readonly to: Hex; readonly nonce: string }
  /** Told to be in this block. */
  | {
      readonly event: 'in-block';
      readonly to: Hex;
      /** undefined: a command, which has none. */
      readonly nonce?: string | undefined;
      readonly messageId: Hex;
      readonly block: number;
      readonly hash: Hex;
    }
  /** Told by its outbox: of the messages that it names nobody can know whether they are in these blocks, both included. */
  | { readonly event: 'fate-unknown'; readonly what: string; readonly first: number; readonly last: number }
  /** About to be queued: a command of Phala's form, which has no nonce. */
  | { readonly event: 'command-meant'; readonly to: Hex; readonly text: string }
  | { readonly event: 'command-queued'; readonly text: string; readonly sendId: string }
  | { readonly event: 'command-finalized'; readonly sendId: string }
  /** Once or more. */
  | { readonly event: 'command-failed'; readonly sendId: string; readonly code: string };

/** What a recipient writes down. */
export type RecipientEntry =
  | { readonly event: 'started' }
  | {
      readonly event: 'delivered';
      readonly id: Hex;
      readonly from: Hex;
      readonly fromKind: FromKind;
      readonly nonce: string;
      readonly text: string;
      /** False: handed out early. */
      readonly isFinal: boolean;
      /** undefined: it came off chain. */
      readonly block?: number | undefined;
    }
  /** `ack` has resolved: it must not come again. */
  | { readonly event: 'acknowledged'; readonly id: Hex }
  /** The handler to which it was given has returned: it is acknowledged in time, and may come again until then. */
  | { readonly event: 'handled'; readonly id: Hex }
  | { readonly event: 'retracted' | 'reinstated' | 'finalized'; readonly id: Hex }
  | { readonly event: 'dead'; readonly id: Hex; readonly code: string }
  /** Blocks whose state no node has any more, both included. */
  | { readonly event: 'gap'; readonly first: number; readonly last: number }
  /** Of the listener to commands, a posting of which the block and the id tell it from others. */
  | { readonly event: 'command'; readonly block: number; readonly id: Hex; readonly text: string }
  | { readonly event: 'command-acknowledged'; readonly block: number; readonly id: Hex }
  | { readonly event: 'command-gap'; readonly first: number; readonly last: number }
  /** Written by who watches it: all has come, and it has ended. It is started once more, and nothing may come. */
  | { readonly event: 'at-rest' };

/**
 * A file that only grows, a line an entry. One write a line: what was written survives the death of its process, and no line
 * is cut in two.
 */
export class Ledger<Entry> {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  add(entry: Entry): void {
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
  }

  entries(): Entry[] {
    if (!existsSync(this.#path)) return [];
    const lines = readFileSync(this.#path, 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Entry);
  }
}
