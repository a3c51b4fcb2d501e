import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head } from './head.ts';
import type { Clock } from '../clock.ts';
import type { Connection, PatientOptions } from '../rpc/connection.ts';
import { expectHash } from '../rpc/expect.ts';
import { refused, type Refusals } from '../rpc/refusals.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { headerOf } from './header-of.ts';
import { toHead, type Header } from './header.ts';

/** Looks after which another node is looked at. */
const maxMissingLooks = 20;
/** Between two looks for a block that a node should have but does not have yet. */
const missingBlockRetryMs = 500;

export interface HeadReaderParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly hashOf: (header: Header) => Hex;
}

/**
 * Reads headers by hash and by number. With endless patience a refusal is no answer yet: another endpoint is used, or the
 * same one later ({@link Refusals}).
 */
export class HeadReader {
  readonly #connection: Connection;
  readonly #blocks: BlockReader;
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  readonly #hashOf: (header: Header) => Hex;

  constructor({ connection, blocks, clock, refusals, hashOf }: HeadReaderParts) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#clock = clock;
    this.#refusals = refusals;
    this.#hashOf = hashOf;
  }

  async finalized(options?: PatientOptions): Promise<Head> {
    const { hash } = await this.#hash('chain_getFinalizedHead', [], options);
    const head = await this.byHash(hash ?? this.#connection.genesisHash, options);
    this.#connection.noteFinalized(head.number);
    return head;
  }

  async best(options?: PatientOptions): Promise<Head> {
    const { hash } = await this.#hash('chain_getBlockHash', [], options);
    return this.byHash(hash ?? this.#connection.genesisHash, options);
  }

  /** undefined where the best branch has no such block yet. */
  async at(number: BlockNumber, options: PatientOptions = {}): Promise<Head | undefined> {
    const method = `chain_getBlockHash of ${number}`;
    for (let nonsense = 1; ; nonsense++) {
      const { hash, url } = await this.#hash('chain_getBlockHash', [number], options);
      if (hash === undefined) return undefined;
      const head = await this.byHash(hash, options);
      if (head.number === number) return head;
      const details = { method, reason: `it gives block ${head.number} for it`, url };
      const failure = new RelayError('rpc-failed', { details });
      if (options.patienceMs === Infinity) await this.#refusals.wait(method, nonsense, failure, options.signal);
      else if (!this.#mayAskOther(url, failure, nonsense)) throw failure;
    }
  }

  /** Of a block known to exist: a node that lacks it is behind, so it is asked again. */
  async existingAt(number: BlockNumber, options?: PatientOptions): Promise<Head> {
    for (let looks = 1; ; looks++) {
      const head = await this.at(number, options);
      if (head !== undefined) return head;
      if (looks % maxMissingLooks === 0)
        this.#connection.replace(await this.#connection.session(options), `it has no block ${number}`);
      await this.#clock.sleep(missingBlockRetryMs, options?.signal);
    }
  }

  /** Throws state-discarded where no endpoint has a header of this hash. */
  async byHash(hash: Hex, options: PatientOptions = {}): Promise<Head> {
    const request = { method: 'chain_getHeader', params: [hash], block: hash };
    const parse = (result: unknown, url: string): Header => headerOf(hash, result, url, this.#hashOf);
    return this.#patiently('chain_getHeader', options, async () =>
      toHead((await this.#blocks.askAs(request, parse, options)).value, hash),
    );
  }

  /** undefined for null; and who answered. */
  #hash(
    method: string,
    params: readonly unknown[],
    options: PatientOptions = {},
  ): Promise<{ readonly hash: Hex | undefined; readonly url: string }> {
    return this.#patiently(method, options, async () => {
      for (let nonsense = 1; ; nonsense++) {
        const { result, url } = await this.#connection.ask(method, params, options);
        try {
          return { hash: result === null ? undefined : expectHash(result, method), url };
        } catch (error) {
          if (!this.#mayAskOther(url, error, nonsense)) throw error;
        }
      }
    });
  }

  /** Whether another endpoint takes the place of one that answered with nonsense, which was the so-many-th. */
  #mayAskOther(url: string, failure: unknown, nonsense: number): boolean {
    return this.#connection.distrust(url, String(failure)) && nonsense < this.#connection.options.endpoints.length;
  }

  async #patiently<T>(method: string, options: PatientOptions, read: () => Promise<T>): Promise<T> {
    for (let count = 1; ; count++)
      try {
        const answer = await read();
        this.#refusals.answered(method);
        return answer;
      } catch (error) {
        const failure = error instanceof RpcError ? refused(error) : error;
        if (options.patienceMs !== Infinity || !isRelayError(failure, 'rpc-failed')) throw failure;
        await this.#refusals.wait(method, count, failure, options.signal);
      }
  }
}
