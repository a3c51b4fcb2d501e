import { onAbort } from './on-abort.ts';

/**
 * A controller whose signal fires with any of those given, too, until it is disposed of. In place of `AbortSignal.any`, of which
 * Node 20 leaves an entry in each of those for as long as they live.
 */
export class LinkedAbort extends AbortController implements Disposable {
  readonly #links: readonly (() => void)[];

  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    super();
    const given = signals.filter((signal) => signal !== undefined);
    this.#links = given.map((signal) =>
      onAbort(signal, () => {
        this.abort(signal.reason);
      }),
    );
    const ended = given.find((signal) => signal.aborted);
    if (ended !== undefined) this.abort(ended.reason);
  }

  [Symbol.dispose](): void {
    for (const unlink of this.#links) unlink();
  }
}
