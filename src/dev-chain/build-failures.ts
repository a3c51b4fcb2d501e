import { isRelayError } from '../errors/index.ts';
import type { DevChainLogger } from './options.ts';

/** Tells of blocks that could not be built though nobody waited for them: once for each reason, and when they are built again. */
export class BuildFailures {
  readonly #logger: DevChainLogger | undefined;
  #last: string | undefined;

  constructor(logger: DevChainLogger | undefined) {
    this.#logger = logger;
  }

  failed(error: unknown): void {
    if (isRelayError(error, 'dev-chain-stopped')) return;
    const reason = String(error);
    if (reason === this.#last) return;
    this.#last = reason;
    this.#logger?.error({ error }, 'a block could not be built');
  }

  built(): void {
    if (this.#last === undefined) return;
    this.#last = undefined;
    this.#logger?.info({}, 'blocks are built again');
  }
}
