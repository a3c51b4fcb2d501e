import { onAbort } from './on-abort.ts';

/**
 * A controller whose signal fires with any of those given, too, until it is unlinked. In place of `AbortSignal.any`, of which
 * Node 20 leaves an entry in each of those for as long as they live.
 */
export class LinkedAbort extends AbortController implements Disposable {
  readonly #links: (() => void)[] = [];

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    super();
    for (const signal of signals) {
      if (signal === undefined) continue;
      const end = (): void => {
        this.abort(signal.reason);
      };
      if (signal.aborted) end();
      else this.#links.push(onAbort(signal, end));
    }
  }

  /** To be called when it is not used any more; `using` does. Idempotent. */
  unlink(): void {
    for (const unlink of this.#links) unlink();
  }

  [Symbol.dispose](): void {
    this.unlink();
  }
}
