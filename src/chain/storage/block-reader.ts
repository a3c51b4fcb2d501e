import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { isOversize, OversizedAnswer } from './oversized-answer.ts';

/** Between two looks for a block at a node that is behind. */
const behindRetryMs = 1_000;
/** Looks until a block that a node behind the others lacks is given up. */
const behindRetries = 10;

/** What nodes say where they have dropped a block's state, or never had the block. */
const missing =
  /state already discarded|unknown ?block|header (was )?not found|block .* not found|unable to find block|expect block/i;

/** Makes requests about one block, at another endpoint where the present one has forgotten it. */
export class BlockReader {
  readonly #connection: Connection;
  readonly #others: OtherEndpoints;
  readonly #clock: Clock;

  constructor(connection: Connection, others: OtherEndpoints, clock: Clock) {
    this.#connection = connection;
    this.#others = others;
    this.#clock = clock;
  }

  /** Throws state-discarded naming the block, rpc-failed, chain-unreachable, OversizedAnswer. */
  readonly read = async (
    method: string,
    params: readonly unknown[],
    block: Hex,
    signal?: AbortSignal,
  ): Promise<unknown> => (await this.ask(method, params, block, signal)).result;

  /** As {@link read}, and who answered. */
  async ask(method: string, params: readonly unknown[], block: Hex, signal?: AbortSignal): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#connection.ask(method, params, { signal });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (isOversize(error)) throw new OversizedAnswer(error.reason);
        if (!missing.test(error.reason))
          throw new RelayError('rpc-failed', { details: { method, reason: error.reason }, cause: error });
        const found = await this.#others.request(method, params, signal);
        if (found !== undefined) return found;
        if (/discarded/i.test(error.reason) || attempt >= behindRetries || !(await this.#isBehind(signal)))
          throw new RelayError('state-discarded', { details: { block, reason: error.reason }, cause: error });
        await this.#clock.sleep(behindRetryMs, signal);
      }
    }
  }

  /** Whether the present node has not yet got what another one told before a failover. */
  async #isBehind(signal: AbortSignal | undefined): Promise<boolean> {
    const hash = await this.#connection.request('chain_getFinalizedHead', [], { signal });
    const header = (await this.#connection.request('chain_getHeader', [hash], { signal })) as {
      number?: string;
    } | null;
    return Number(header?.number ?? 0) < this.#connection.highestFinalized;
  }
}
