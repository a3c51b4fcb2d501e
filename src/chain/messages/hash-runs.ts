import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../chain.ts';
import type { Clock } from '../clock.ts';
import type { Connection } from '../rpc/connection.ts';
import { expectArray, expectHex } from '../rpc/expect.ts';
import { RpcError } from '../rpc/rpc-error.ts';

const method = 'chain_getBlockHash';
/** Between two looks for blocks that a node should have but does not have yet. */
const behindRetryMs = 500;
/** Looks until such a block is given up. */
const behindRetries = 20;
/** Runs kept for others who read the same blocks. */
const maxRuns = 16;

/** Hashes by number, as the present node gives them. */
export interface HashRun {
  readonly hashes: readonly Hex[];
  /** Who gave them. */
  readonly url: string;
}

/** Reads the hashes of many blocks in one request. */
export class HashRuns {
  readonly #connection: Connection;
  readonly #clock: Clock;
  /** In the order they came. */
  readonly #runs = new Map<string, Promise<HashRun>>();

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Of `first` up to and with `last`. Throws state-discarded where the node has no such block, rpc-failed, chain-unreachable. */
  of(first: BlockNumber, last: BlockNumber): Promise<HashRun> {
    const name = `${first}-${last}`;
    const known = this.#runs.get(name);
    if (known !== undefined) return known;
    const run = this.#read(first, last, this.#connection.stopped);
    this.#runs.set(name, run);
    run.catch(() => this.#runs.delete(name));
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > maxRuns && oldest !== undefined) this.#runs.delete(oldest);
    return run;
  }

  /** Of one block. */
  async at(number: BlockNumber): Promise<Hex> {
    return expectHex((await this.of(number, number)).hashes[0], method);
  }

  /** What was read is not to be used again: it was not true, or is not any more. */
  forget(): void {
    this.#runs.clear();
  }

  async #read(first: BlockNumber, last: BlockNumber, signal: AbortSignal): Promise<HashRun> {
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    for (let attempt = 0; ; attempt++) {
      const { result, url } = await this.#ask(numbers, signal);
      const hashes = expectArray(result, method);
      const missing = hashes.findIndex((hash) => typeof hash !== 'string');
      if (hashes.length === numbers.length && missing === -1) return { hashes: hashes as Hex[], url };
      const block = first + Math.max(missing, 0);
      if (attempt >= behindRetries)
        throw new RelayError('state-discarded', { details: { block, reason: 'the node has no such block' } });
      await this.#clock.sleep(behindRetryMs, signal);
    }
  }

  async #ask(numbers: readonly BlockNumber[], signal: AbortSignal) {
    try {
      return await this.#connection.ask(method, [numbers], { signal, patienceMs: Infinity });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      throw new RelayError('rpc-failed', { details: { method, reason: error.reason }, cause: error });
    }
  }
}
