import type { Hex } from '../../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../../errors/index.ts';
import type { Receipt } from '../../outbox/index.ts';
import { LinkedAbort, onAbort } from '../../signals/index.ts';
import type { Context } from '../command.ts';
import { short } from '../output.ts';
import { timeoutMs } from '../session.ts';

/** What `send --receipt` asks about. */
export const words = ['delivered', 'read'] as const;
export type Word = (typeof words)[number];

export interface Asked {
  readonly receipt: Receipt;
  readonly to: Hex;
}

/** Messages that a word is waited for of. Each is printed as it comes. */
export class AwaitedWords implements Disposable {
  readonly #word: Word;
  readonly #context: Context<object>;
  readonly #ended: LinkedAbort;
  /** The oldest first. */
  readonly #awaited = new Set<bigint>();
  #newest = 0n;
  #untold = 0;
  #firstUntold: RelayError | undefined;
  /** Nothing that can be said of a message. */
  #defect: RelayError | undefined;
  #wake: () => void = () => undefined;

  constructor(word: Word, context: Context<object>) {
    this.#word = word;
    this.#context = context;
    this.#ended = new LinkedAbort(context.signal);
  }

  /** Why no word will come, of the first of so many; undefined: there is none. */
  get untold(): { readonly error: RelayError; readonly count: number } | undefined {
    return this.#firstUntold && { error: this.#firstUntold, count: this.#untold };
  }

  /** In the order of their sendIds. */
  add(asked: Asked): void {
    const { sendId } = asked.receipt;
    this.#newest = sendId;
    this.#awaited.add(sendId);
    void this.#print(asked)
      .catch((error: unknown) => {
        if (!isRelayError(error)) {
          this.#defect ??= asRelayError(error, 'internal');
          return;
        }
        this.#untold += 1;
        this.#firstUntold ??= error;
      })
      .finally(() => {
        this.#awaited.delete(sendId);
        this.#wake();
      });
  }

  /**
   * Waits until no more than so many were added since the oldest one whose word has not come, itself counted: what a queue
   * forgets, it forgets by age, however many are left. Throws not-delivered-yet or not-read-yet where none is told for as long
   * as `--timeout`, aborted, internal.
   */
  async until(sinceOldest: number): Promise<void> {
    const { signal } = this.#context;
    while (this.#defect === undefined && this.#sinceOldest > sinceOldest) {
      const before = this.#awaited.size;
      await this.#change();
      if (signal.aborted) throw new RelayError('aborted', { cause: signal.reason });
      const code = this.#word === 'read' ? 'not-read-yet' : 'not-delivered-yet';
      if (this.#awaited.size === before) throw new RelayError(code, { details: { count: before } });
    }
    if (this.#defect !== undefined) throw this.#defect;
  }

  get #sinceOldest(): number {
    const [oldest] = this.#awaited;
    return oldest === undefined ? 0 : Number(this.#newest - oldest) + 1;
  }

  /** Waits no more. */
  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#ended.unlink();
  }

  /** As long as patience lasts. */
  #change(): Promise<void> {
    const { settings, signal } = this.#context;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        off();
        resolve();
      };
      const timer = setTimeout(done, timeoutMs(settings));
      const off = onAbort(signal, done);
      this.#wake = done;
      if (signal.aborted) done();
    });
  }

  #print(asked: Asked): Promise<void> {
    return (this.#word === 'read' ? printRead : printDelivered)(this.#context, asked, this.#ended.signal);
  }
}

async function printDelivered({ output }: Context<object>, { receipt, to }: Asked, signal: AbortSignal): Promise<void> {
  const { sendId } = receipt;
  const { deliveredAt } = await receipt.delivered(signal);
  const { messageId } = await receipt.reached('inBlock', signal);
  output.print(
    { event: 'delivered', sendId, messageId, to, deliveredAt },
    `${short(to)} has taken message ${sendId} (${short(messageId)}).`,
  );
}

async function printRead({ output }: Context<object>, { receipt }: Asked, signal: AbortSignal): Promise<void> {
  const { sendId } = receipt;
  const { messageId, readAt } = await receipt.read(signal);
  output.print(
    { event: 'read', sendId, messageId, readAt },
    `Message ${sendId} was read at ${new Date(Number(readAt)).toISOString()} (${short(messageId)}).`,
  );
}
