import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { inWindow } from './in-window.ts';
import { isOversize, OversizedAnswer } from './oversized-answer.ts';

/** Between two looks for a block at a node that is behind. */
const behindRetryMs = 1_000;
/** Looks until a block that a node behind the others lacks is given up. */
const behindRetries = 10;

/** Requests under way at once where a node takes no batches. */
const aloneInFlight = 8;

/** One request about a block. */
export interface BlockRequest {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly block: Hex;
}

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

  /**
   * Many requests, each about a block of its own, in frames of several. What the present node lacks or refuses is asked
   * for once more, alone, by the rules of {@link ask}; in the place of an answer stands the error where that fails.
   */
  async askAll(requests: readonly BlockRequest[], signal?: AbortSignal): Promise<(Answer | RelayError)[]> {
    const calls = requests.map(({ method, params }) => [method, params] as const);
    const answers = requests.length > 1 ? await this.#connection.askAll(calls, { signal }) : undefined;
    const settled = new Array<Answer | RelayError | undefined>(requests.length);
    const alone: number[] = [];
    for (let i = 0; i < requests.length; i++) {
      const result = answers?.results[i];
      if (answers === undefined || result instanceof RpcError) alone.push(i);
      else settled[i] = { result, url: answers.url };
    }
    const one = async (i: number): Promise<void> => {
      const request = requests[i];
      if (request !== undefined) settled[i] = await this.#settled(request, signal);
    };
    for await (const _ of inWindow(alone, aloneInFlight, one));
    return settled.filter((answer) => answer !== undefined);
  }

  async #settled(
    { method, params, block }: BlockRequest,
    signal: AbortSignal | undefined,
  ): Promise<Answer | RelayError> {
    try {
      return await this.ask(method, params, block, signal);
    } catch (error) {
      throwIfAborted(signal);
      if (isRelayError(error, 'state-discarded') || isRelayError(error, 'rpc-failed')) return error;
      if (!(error instanceof OversizedAnswer)) throw error;
      return new RelayError('bad-storage', { details: { what: method, block, reason: error.message }, cause: error });
    }
  }

  /** Whether the present node has not yet got what another one told before a failover. */
  async #isBehind(signal: AbortSignal | undefined): Promise<boolean> {
    const hash = await this.#connection.request('chain_getFinalizedHead', [], { signal });
    const header = (await this.#connection.request('chain_getHeader', [hash], { signal })) as {
      number?: string;
    } | null;
    return Number(header?.number ?? 0) < this.#connection.health.highestTold;
  }
}
