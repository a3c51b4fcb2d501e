import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber, Head } from '../chain.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Connection, PatientOptions } from '../rpc/connection.ts';
import { expectHex } from '../rpc/expect.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { parseHeader, toHead, type Header } from './header.ts';

/** Looks after which another node is looked at. */
const maxMissingLooks = 20;
/** Between two looks for a block that a node should have but does not have yet. */
const missingBlockRetryMs = 500;

/** Reads headers by hash and by number. */
export class HeadReader {
  readonly #connection: Connection;
  readonly #others: OtherEndpoints;
  readonly #clock: Clock;
  readonly #hashOf: (header: Header) => Hex;
  /** Who said that a head has its number. */
  readonly #tellers = new WeakMap<Head, string>();

  constructor(connection: Connection, others: OtherEndpoints, clock: Clock, hashOf: (header: Header) => Hex) {
    this.#connection = connection;
    this.#others = others;
    this.#clock = clock;
    this.#hashOf = hashOf;
  }

  async finalized(options?: PatientOptions): Promise<Head> {
    const head = await this.#of(await this.#request('chain_getFinalizedHead', [], options), options);
    this.#connection.noteFinalized(head.number);
    return head;
  }

  async best(options?: PatientOptions): Promise<Head> {
    return this.#of(await this.#request('chain_getBlockHash', [], options), options);
  }

  /** undefined where the best branch has no such block yet. */
  async at(number: BlockNumber, options?: PatientOptions): Promise<Head | undefined> {
    const { result: hash, url } = await this.#ask('chain_getBlockHash', [number], options);
    if (hash === null) return undefined;
    const head = await this.#of(hash, options);
    this.#tellers.set(head, url);
    return head;
  }

  /** Leaves the endpoint that gave a finalized head for a number that another one has. */
  blame(head: Head): void {
    const url = this.#tellers.get(head);
    if (url === undefined) return;
    const details = {
      url,
      block: head.number,
      reason: `it gives ${head.hash}, which is not an ancestor of later ones`,
    };
    this.#connection.leave(url, new RelayError('node-lies', { details }));
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
  async byHash(hash: Hex, options?: PatientOptions): Promise<Head> {
    return this.#of(hash, options);
  }

  async #of(hash: unknown, options: PatientOptions | undefined): Promise<Head> {
    const known = expectHex(hash, 'chain_getBlockHash');
    for (;;) {
      const answer = await this.#ask('chain_getHeader', [known], options).catch((error: unknown) => {
        if (isRelayError(error, 'rpc-failed')) return { result: null, url: '' };
        throw error;
      });
      // The present endpoint may be behind the one that told of the block.
      const { result, url } =
        answer.result === null
          ? ((await this.#others.request('chain_getHeader', [known], options?.signal)) ?? answer)
          : answer;
      if (result === null)
        throw new RelayError('state-discarded', { details: { block: known, reason: 'the node has no such block' } });
      const header = parseHeader(result);
      if (this.#hashOf(header) === known) return toHead(header, known);
      const details = { url, block: known, reason: 'the header it gives for it does not have that hash' };
      this.#connection.leave(url, new RelayError('node-lies', { details }));
    }
  }

  async #request(method: string, params: readonly unknown[], options: PatientOptions | undefined): Promise<unknown> {
    return (await this.#ask(method, params, options)).result;
  }

  async #ask(method: string, params: readonly unknown[], options: PatientOptions | undefined): Promise<Answer> {
    try {
      return await this.#connection.ask(method, params, options);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      throw new RelayError('rpc-failed', { details: { method, reason: error.reason }, cause: error });
    }
  }
}
