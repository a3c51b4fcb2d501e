import type { Hex } from '../../codec/index.ts';
import { parseHeader } from '../head/header.ts';
import { expectBytes, expectNumber, expectObject } from '../rpc/expect.ts';
import { Runtime, type RuntimeVersion } from './runtime.ts';

/** Asks the node about the block; throws state-discarded where it has not got it. */
export type ReadAt = (method: string, params: readonly unknown[], block: Hex, signal?: AbortSignal) => Promise<unknown>;

/** As {@link ReadAt}; the answer is what `parse` makes of it. */
export type ReadAs = <T>(
  method: string,
  params: readonly unknown[],
  block: Hex,
  parse: (result: unknown) => T,
  signal?: AbortSignal,
) => Promise<T>;

/** Runtimes kept: a chain has one at a time, a catch-up through history meets them one after another. */
const maxRuntimes = 4;

/** Decoded metadata by spec version, loaded once each. */
export class RuntimeCache {
  readonly #readAs: ReadAs;
  readonly #runtimes = new Map<number, Promise<Runtime>>();

  constructor(readAs: ReadAs) {
    this.#readAs = readAs;
  }

  /** The runtime that stands in the state of `block`: the one that the next block runs. */
  async of(block: Hex, signal?: AbortSignal): Promise<Runtime> {
    const version = await this.#versionAt(block, signal);
    return this.#cached(version.specVersion, () => this.#load(version, block));
  }

  /**
   * The runtime of this spec version, which executed `block`. Where the block itself brought an upgrade, its state has
   * the code of the next one already, and the parent has the one wanted.
   */
  async executing(block: Hex, specVersion: number): Promise<Runtime> {
    return this.#cached(specVersion, async () => {
      const version = await this.#versionAt(block);
      if (version.specVersion === specVersion) return this.#load(version, block);
      const { parentHash: parent } = await this.#readAs('chain_getHeader', [block], block, parseHeader);
      return this.#load(await this.#versionAt(parent), parent);
    });
  }

  async #cached(specVersion: number, load: () => Promise<Runtime>): Promise<Runtime> {
    const known = this.#runtimes.get(specVersion);
    if (known !== undefined) return known;
    const loading = load();
    this.#runtimes.set(specVersion, loading);
    const [oldest] = this.#runtimes.keys();
    if (this.#runtimes.size > maxRuntimes && oldest !== undefined) this.#runtimes.delete(oldest);
    try {
      return await loading;
    } catch (error) {
      this.#runtimes.delete(specVersion);
      throw error;
    }
  }

  async #versionAt(block: Hex, signal?: AbortSignal): Promise<RuntimeVersion> {
    const method = 'state_getRuntimeVersion';
    const parse = (answer: unknown): RuntimeVersion => {
      const version = expectObject(answer, method);
      return {
        specName: String(version['specName']),
        specVersion: expectNumber(version['specVersion'], method),
        transactionVersion: expectNumber(version['transactionVersion'], method),
      };
    };
    return this.#readAs(method, [block], block, parse, signal);
  }

  async #load(version: RuntimeVersion, block: Hex): Promise<Runtime> {
    const method = 'state_getMetadata';
    const metadata = await this.#readAs(method, [block], block, (answer) => expectBytes(answer, method));
    return new Runtime(version, metadata);
  }
}
