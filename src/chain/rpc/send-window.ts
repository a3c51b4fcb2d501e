import { onAbort } from '../../signals/index.ts';
import { aborted } from '../abort.ts';

/** A frame that waits for its turn. */
interface Queued {
  readonly signal: AbortSignal | undefined;
  readonly send: () => void;
  readonly reject: (error: Error) => void;
}

/** Frames on the way at once, at most; more wait for their turn, so that a node is not flooded whatever its callers do. */
export class SendWindow {
  readonly #size: number;
  readonly #underWay: () => number;
  #queue: Queued[] = [];

  constructor(size: number, underWay: () => number) {
    this.#size = size;
    this.#underWay = underWay;
  }

  /** Calls `send` when there is room; the promise is settled by what that does with its functions. Rejects with aborted. */
  inTurn<T>(
    signal: AbortSignal | undefined,
    send: (resolve: (answer: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(aborted(signal));
        return;
      }
      const off = signal && onAbort(signal, () => reject(aborted(signal)));
      const answered = (answer: T): void => {
        off?.();
        resolve(answer);
      };
      const failed = (error: Error): void => {
        off?.();
        reject(error);
      };
      this.#queue.push({ signal, reject: failed, send: () => send(answered, failed) });
      this.pump();
    });
  }

  /** To be called when there is room again. */
  pump(): void {
    while (this.#underWay() < this.#size) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.signal?.aborted === true) next.reject(aborted(next.signal));
      else next.send();
    }
  }

  /** Nothing that waits is sent any more. */
  end(error: Error): void {
    const waiting = this.#queue;
    this.#queue = [];
    for (const { reject } of waiting) reject(error);
  }
}
