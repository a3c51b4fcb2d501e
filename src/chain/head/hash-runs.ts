import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import { expectHash } from '../rpc/expect.ts';
import { refused as asFailure, type Refusals } from '../rpc/refusals.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';

const method = 'chain_getBlockHash';
/** Between two looks for blocks that a node has not finalized yet. */
const behindRetryMs = 500;
/** Looks after which the others are asked whether they have them … */
const looksAlone = 3;
/** … and after which another node is looked at where they have not: a multiple of those. */
const maxLooks = 7 * looksAlone;
/** Some nodes answer for one number and refuse a list of them. */
const ofMany = `${method} of many`;
/** Runs kept for others who read the same blocks. */
const maxRuns = 16;

/** Hashes of finalized blocks by number, as one node gives them. */
export interface HashRun {
  readonly hashes: readonly Hex[];
  /** Who gave them. */
  readonly url: string;
}

/** What is read, or was, for all who ask for the same blocks. */
interface SharedRun {
  readonly first: BlockNumber;
  readonly last: BlockNumber;
  readonly reading: Promise<HashRun>;
}

export interface HashRunsParts {
  readonly connection: Connection;
  readonly blocks: EndpointBlocks;
  readonly clock: Clock;
  readonly refusals: Refusals;
}

/** Reads the hashes of many finalized blocks in one request. */
export class HashRuns {
  readonly #connection: Connection;
  readonly #blocks: EndpointBlocks;
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  /** In the order they came. A list: of a map V8 keeps what it forgot, until it collects old garbage. */
  #runs: SharedRun[] = [];

  constructor({ connection, blocks, clock, refusals }: HashRunsParts) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#clock = clock;
    this.#refusals = refusals;
  }

  /**
   * Of `first` up to and with `last`, by a node that has finalized all of them: what one that is behind says of blocks
   * that only others have finalized may be of a fork, so it is waited for. Throws aborted, rpc-failed where all refuse for
   * minutes and none ever gave any, and state-discarded where the session is over in which they were asked for first and none that is there has
   * finalized them: who told of them may have made them up, and whoever has them tells of them again.
   */
  async of(first: BlockNumber, last: BlockNumber, signal?: AbortSignal): Promise<HashRun> {
    for (;;) {
      const reading = this.#shared(first, last);
      const run = await abortable(reading, signal);
      // What one says that was caught since is not believed.
      if (!this.#connection.hasLeft(run.url)) return run;
      this.#drop(reading);
    }
  }

  #shared(first: BlockNumber, last: BlockNumber): Promise<HashRun> {
    const known = this.#runs.find((run) => run.first === first && run.last === last);
    if (known !== undefined) return known.reading;
    // Others may wait for it too: it ends with the connection, not with who asked first.
    const reading = this.#read(first, last, this.#connection.stopped);
    this.#runs.push({ first, last, reading });
    if (this.#runs.length > maxRuns) this.#runs.shift();
    reading.catch(() => this.#drop(reading));
    return reading;
  }

  /** Of one block. */
  async at(number: BlockNumber, signal?: AbortSignal): Promise<Hex> {
    return expectHash((await this.of(number, number, signal)).hashes[0], method);
  }

  /** What was read is not to be used again: it was not true, or is not any more. */
  forget(): void {
    this.#runs = [];
  }

  #drop(reading: Promise<HashRun>): void {
    this.#runs = this.#runs.filter((run) => run.reading !== reading);
  }

  async #read(first: BlockNumber, last: BlockNumber, signal: AbortSignal): Promise<HashRun> {
    const options = { signal, patienceMs: Infinity };
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    let refused = 0;
    let begun: number | undefined;
    for (let looks = 1; ; looks++) {
      const session = await this.#connection.session(options);
      const { socket, id } = session;
      begun ??= id;
      let reason = `it has not finalized block ${last}`;
      const isThere = await this.#blocks.hasFinalized(socket, last);
      if (isThere) {
        const answer = await this.#ask(numbers, options);
        if (answer instanceof RpcError) {
          await this.#refusals.wait(ofMany, ++refused, asFailure(answer), signal);
          continue;
        }
        this.#refusals.answered(ofMany);
        const hashes = hashesIn(answer, numbers.length);
        // Behind the same URL another node may have answered, after a reconnect.
        if (hashes !== undefined && answer.url === socket.url && socket.isOpen) return { hashes, url: socket.url };
        reason = `it does not give the hashes of blocks ${first} to ${last}`;
      }
      if (looks % looksAlone === 0) {
        const isElsewhere = await this.#isElsewhere(last);
        if (!isThere && !isElsewhere && socket.isOpen && id !== begun)
          throw new RelayError('state-discarded', { details: { block: last, reason: 'no endpoint has finalized it' } });
        if (isThere || isElsewhere || looks % maxLooks === 0) this.#connection.replace(session, reason);
      }
      await this.#clock.sleep(behindRetryMs, signal);
    }
  }

  /** Whether enough of the others that answer have finalized a block; what those told of that do not answer counts no more. */
  async #isElsewhere(number: BlockNumber): Promise<boolean> {
    this.#connection.health.forgetFrom(number);
    return (await this.#blocks.furthest()) >= number;
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
