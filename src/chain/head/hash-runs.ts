import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Clock } from '../clock.ts';
import { backoffMs } from '../rpc/backoff.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import { expectHash } from '../rpc/expect.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';

const method = 'chain_getBlockHash';
/** Between two looks for blocks that a node has not finalized yet. */
const behindRetryMs = 500;
/** Looks after which another node is looked at … */
const maxLooks = 20;
/** … and where another one has told that it has them. */
const maxLooksBehind = 3;
/** Refusals, beside one of each endpoint, before that is the answer; in pauses that grow. */
const maxRefusals = 20;
/** Longest of these pauses, ms. */
const maxPauseMs = 5_000;
/** Runs kept for others who read the same blocks. */
const maxRuns = 16;

/** Hashes of finalized blocks by number, as one node gives them. */
export interface HashRun {
  readonly hashes: readonly Hex[];
  /** Who gave them. */
  readonly url: string;
}

/** Reads the hashes of many finalized blocks in one request. */
export class HashRuns {
  readonly #connection: Connection;
  readonly #blocks: EndpointBlocks;
  readonly #clock: Clock;
  /** In the order they came. */
  readonly #runs = new Map<string, Promise<HashRun>>();

  constructor(connection: Connection, blocks: EndpointBlocks, clock: Clock) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#clock = clock;
  }

  /**
   * Of `first` up to and with `last`, by a node that has finalized all of them: what one that is behind says of blocks
   * that only others have finalized may be of a fork, so it is waited for. Throws aborted, and rpc-failed where
   * all refuse for minutes.
   */
  of(first: BlockNumber, last: BlockNumber, signal?: AbortSignal): Promise<HashRun> {
    const name = `${first}-${last}`;
    const known = this.#runs.get(name);
    if (known !== undefined) return abortable(known, signal);
    // Others may wait for it too: it ends with the connection, not with who asked first.
    const run = this.#read(first, last, this.#connection.stopped);
    this.#runs.set(name, run);
    run.catch(() => this.#runs.delete(name));
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > maxRuns && oldest !== undefined) this.#runs.delete(oldest);
    return abortable(run, signal);
  }

  /** Of one block. */
  async at(number: BlockNumber, signal?: AbortSignal): Promise<Hex> {
    return expectHash((await this.of(number, number, signal)).hashes[0], method);
  }

  /** What was read is not to be used again: it was not true, or is not any more. */
  forget(): void {
    this.#runs.clear();
  }

  async #read(first: BlockNumber, last: BlockNumber, signal: AbortSignal): Promise<HashRun> {
    const options = { signal, patienceMs: Infinity };
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const { endpoints, backoff } = this.#connection.options;
    let refusals = 0;
    for (let looks = 1; ; looks++) {
      const session = await this.#connection.session(options);
      const { socket } = session;
      let reason = `it has not finalized block ${last}`;
      if (await this.#blocks.hasFinalized(socket, last)) {
        const answer = await this.#ask(numbers, options);
        if (answer instanceof RpcError) {
          const details = { method, reason: answer.reason };
          if (++refusals > maxRefusals + endpoints.length)
            throw new RelayError('rpc-failed', { details, cause: answer });
          this.#connection.distrust(answer.url, `it refuses ${method}: ${answer.reason}`);
          const pause = { ...backoff, maxMs: Math.min(maxPauseMs, backoff.maxMs ?? maxPauseMs) };
          await this.#clock.sleep(backoffMs(refusals - 1, pause), signal);
          continue;
        }
        const hashes = hashesIn(answer, numbers.length);
        // Behind the same URL another node may have answered, after a reconnect.
        if (hashes !== undefined && answer.url === socket.url && socket.isOpen) return { hashes, url: socket.url };
        reason = `it does not give the hashes of blocks ${first} to ${last}`;
      }
      const isBehind = this.#connection.health.due >= last;
      if (looks % (isBehind ? maxLooksBehind : maxLooks) === 0) this.#connection.replace(session, reason);
      await this.#clock.sleep(behindRetryMs, signal);
    }
  }

  /** An RpcError where the node refuses. */
  async #ask(
    numbers: readonly BlockNumber[],
    options: { signal: AbortSignal; patienceMs: number },
  ): Promise<Answer | RpcError> {
    try {
      return await this.#connection.ask(method, [numbers], options);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return error;
    }
  }
}

function hashesIn({ result }: Answer, count: number): readonly Hex[] | undefined {
  if (!Array.isArray(result) || result.length !== count) return undefined;
  const list = result as readonly unknown[];
  return list.every((hash) => typeof hash === 'string') ? list.map((hash) => expectHash(hash, method)) : undefined;
}
