import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import type { Answer, Connection, PatientOptions } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import type { RpcCall } from '../rpc/rpc-batch.ts';
import { isMethodMissing, RpcError } from '../rpc/rpc-error.ts';
import { inWindow } from './in-window.ts';
import { isOversize, OversizedAnswer } from './oversized-answer.ts';
import type { ReadAs, ReadAt } from './read-at.ts';

/** Between two looks for a block at a node that is behind. */
const behindRetryMs = 1_000;
/** Looks until a block that a node behind the others lacks is given up. */
const behindRetries = 10;

/** Requests under way at once where a node takes no batches. */
const aloneInFlight = 8;

/** Frames under way at once where a node takes none of as many calls as are asked for. */
const partsInFlight = 8;

/** One request about a block. */
export interface BlockRequest extends RpcCall {
  readonly block: Hex;
  /** What is asked for, in words, for the error. Default: the method. */
  readonly what?: string;
}

/** What nodes say where they have dropped a block's state, or never had the block. */
const missing =
  /state already discarded|unknown ?block|header (was )?not found|block .* not found|unable to find block|expect block/i;

export function saysMissing(reason: string): boolean {
  return missing.test(reason);
}

/** … and where that is the state, which they do not get back. */
const discarded = /discarded/i;

/** Makes requests about one block, at another endpoint where the present one has forgotten it, or can not answer. */
export class BlockReader {
  readonly #connection: Connection;
  readonly #others: OtherEndpoints;
  readonly #clock: Clock;
  /** Methods that endpoints do not offer, by URL: others are asked first. */
  readonly #lacking = new Map<string, Set<string>>();
  /** Calls in one frame that no endpoint refused so far for being too many. */
  #callsAtOnce = Infinity;

  constructor(connection: Connection, others: OtherEndpoints, clock: Clock) {
    this.#connection = connection;
    this.#others = others;
    this.#clock = clock;
  }

  /**
   * Throws state-discarded naming the block, rpc-failed where all refuse, chain-unreachable; bad-storage where the answer is
   * too large for all of them, or OversizedAnswer for a request that can be divided.
   */
  readonly read: ReadAt = async (method, params, block, signal) =>
    (await this.ask({ method, params, block }, { signal })).result;

  /**
   * As {@link read}, of an answer that `parse` takes: null counts as that the node has no such block. Where it throws
   * rpc-failed or unsupported-runtime another endpoint is asked, as long as there is one that was not; where it throws
   * node-lies this one is left.
   */
  readonly readAs: ReadAs = async (method, params, block, parse, signal) =>
    (await this.askAs({ method, params, block }, parse, { signal })).value;

  /** As {@link read}, and who answered. */
  ask(request: BlockRequest, options: PatientOptions = {}): Promise<Answer> {
    return this.#ask(request, options, false);
  }

  /** As {@link readAs}, and who answered. */
  async askAs<T>(
    request: BlockRequest,
    parse: (result: unknown, url: string) => T,
    options: PatientOptions = {},
  ): Promise<{ readonly value: T; readonly url: string }> {
    for (let nonsense = 1; ; nonsense++) {
      const { result, url } = await this.#ask(request, options, true);
      try {
        return { value: parse(result, url), url };
      } catch (error) {
        if (isRelayError(error, 'node-lies')) {
          this.#connection.leave(url, error);
          continue;
        }
        const isUseless = isRelayError(error, 'rpc-failed') || isRelayError(error, 'unsupported-runtime');
        if (!isUseless) throw error;
        const isLast = nonsense >= this.#connection.options.endpoints.length;
        if (!this.#connection.distrust(url, error.message) || isLast) throw error;
      }
    }
  }

  /** What the present endpoint gave can not be read: another one is asked the next time, where there is one. */
  doubt(reason: string): void {
    const { present } = this.#connection;
    if (present !== undefined) this.#connection.distrust(present.url, reason);
  }

  /** `said`: what an endpoint answered already, and would again. */
  async #ask(request: BlockRequest, options: PatientOptions, isFound: boolean, said?: RpcError): Promise<Answer> {
    const { method, params, block, what = method } = request;
    for (let attempt = 0; ; attempt++) {
      if (this.#isLacking(method)) {
        const elsewhere = await this.#others.request(method, params, options);
        if (elsewhere !== undefined) return elsewhere;
      }
      let reason = 'the node has no such block';
      let cause: RpcError | undefined;
      try {
        if (attempt === 0 && said !== undefined && said.url === this.#connection.present?.url) throw said;
        const answer = await this.#connection.ask(method, params, options);
        if (!isFound || (answer.result !== null && answer.result !== undefined)) return answer;
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (options.isDivisible === true && isOversize(error)) throw new OversizedAnswer(error.reason);
        ({ reason } = error);
        cause = error;
      }
      const found = await this.#others.request(method, params, options);
      if (found !== undefined) {
        if (cause !== undefined && isMethodMissing(cause)) this.#noteLacking(cause);
        return found;
      }
      if (cause !== undefined && isOversize(cause))
        throw new RelayError('bad-storage', { details: { what, block, reason }, cause });
      if (cause !== undefined && !missing.test(reason))
        throw new RelayError('rpc-failed', { details: { method, reason, url: cause.url }, cause });
      if (discarded.test(reason) || attempt >= behindRetries || !(await this.#isBehind(block, options)))
        throw new RelayError('state-discarded', { details: { block, reason }, cause });
      await this.#clock.sleep(behindRetryMs, options.signal);
    }
  }

  /**
   * Many requests, each about a block of its own, in frames of several. What the present node lacks or refuses is asked
   * for once more, alone, by the rules of {@link ask}, a discarded state only of others; in the place of an answer stands the error where that fails. Throws
   * OversizedAnswer where the answers of more than `few` (default: any number) are together more than the node sends.
   */
  async askAll(
    requests: readonly BlockRequest[],
    { few = Infinity, ...options }: PatientOptions & { readonly few?: number } = {},
  ): Promise<(Answer | RelayError)[]> {
    if (requests.length > this.#callsAtOnce) return this.#inParts(requests, { few, ...options });
    const together = requests.length > 1 ? await this.#connection.askAll(requests, options) : undefined;
    if (together === 'too many') {
      this.#callsAtOnce = Math.min(this.#callsAtOnce, Math.ceil(requests.length / 2));
      return this.#inParts(requests, { few, ...options });
    }
    if (together === 'too large' && requests.length > few)
      throw new OversizedAnswer(`${requests.length} answers are together more than the node sends`);
    const answers = together === 'too large' ? undefined : together;
    const settled = new Array<Answer | RelayError | undefined>(requests.length);
    const alone: number[] = [];
    for (let i = 0; i < requests.length; i++) {
      const result = answers?.results[i];
      if (answers === undefined || result instanceof RpcError) alone.push(i);
      else settled[i] = { result, url: answers.url };
    }
    const { reader: _, ...asUsual } = options;
    const one = async (i: number): Promise<void> => {
      const request = requests[i];
      const result = answers?.results[i];
      const said = result instanceof RpcError && discarded.test(result.reason) ? result : undefined;
      if (request !== undefined) settled[i] = await this.#settled(request, asUsual, said);
    };
    for await (const _ of inWindow(alone, aloneInFlight, one));
    return settled.filter((answer) => answer !== undefined);
  }

  /** In frames of as many calls as a node takes; those of half as many where it still takes none of so many. */
  async #inParts(
    requests: readonly BlockRequest[],
    options: PatientOptions & { readonly few?: number },
  ): Promise<(Answer | RelayError)[]> {
    const parts: (readonly BlockRequest[])[] = [];
    for (let at = 0; at < requests.length; at += this.#callsAtOnce)
      parts.push(requests.slice(at, at + this.#callsAtOnce));
    const settled: (Answer | RelayError)[] = [];
    const read = (part: readonly BlockRequest[]): Promise<(Answer | RelayError)[]> => this.askAll(part, options);
    for await (const part of inWindow(parts, partsInFlight, read)) settled.push(...part);
    return settled;
  }

  async #settled(request: BlockRequest, options: PatientOptions, said?: RpcError): Promise<Answer | RelayError> {
    try {
      return await this.#ask(request, options, false, said);
    } catch (error) {
      throwIfAborted(options.signal);
      const isOfRequest = ['state-discarded', 'rpc-failed', 'bad-storage'] as const;
      if (!isOfRequest.some((code) => isRelayError(error, code))) throw error;
      return error as RelayError;
    }
  }

  /** Whether the present endpoint does not offer the method. */
  #isLacking(method: string): boolean {
    if (this.#lacking.size === 0) return false;
    const url = this.#connection.present?.url;
    return url !== undefined && this.#lacking.get(url)?.has(method) === true;
  }

  #noteLacking({ url, method }: RpcError): void {
    const methods = this.#lacking.get(url) ?? new Set();
    this.#lacking.set(url, methods.add(method));
  }

  /** Whether the present node has not yet got what another one told of before a failover. */
  async #isBehind(block: Hex, { reader: _, ...options }: PatientOptions): Promise<boolean> {
    const ask = (method: string, params: readonly unknown[]): Promise<unknown> =>
      this.#connection.request(method, params, options).catch((error: unknown) => {
        // Some refuse what they do not have.
        if (error instanceof RpcError) return null;
        throw error;
      });
    if ((await ask('chain_getHeader', [block])) !== null) return false;
    const newest = (await ask('chain_getHeader', [await ask('chain_getFinalizedHead', [])])) as Told | null;
    return Number(newest?.number ?? 0) < this.#connection.health.due;
  }
}

interface Told {
  readonly number?: string;
}
