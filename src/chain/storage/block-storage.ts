import { Reader, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RuntimeCache } from '../runtime/runtime-cache.ts';
import { fastFromHex } from './fast-hex.ts';
import { storagePrefix } from './storage-key.ts';
import type { StorageReader } from './storage-reader.ts';

/** `System.LastRuntimeUpgrade`: the version that executed the block, and so laid out its state. */
const lastUpgradeKey = storagePrefix('System', 'LastRuntimeUpgrade');

/** Raw storage of one block, with the runtime that wrote it. */
export class BlockStorage {
  readonly hash: Hex;
  readonly #storage: StorageReader;
  readonly #runtimes: RuntimeCache;
  #runtime: Promise<Runtime> | undefined;

  constructor(hash: Hex, storage: StorageReader, runtimes: RuntimeCache) {
    this.hash = hash;
    this.#storage = storage;
    this.#runtimes = runtimes;
  }

  runtime(signal?: AbortSignal): Promise<Runtime> {
    return this.#known(async () => {
      const [upgrade] = await this.#storage.values([lastUpgradeKey], this.hash, signal);
      return this.#runtimeOf(upgrade, signal);
    });
  }

  /** A plain value whose key needs no metadata, read along with the version of the runtime in one request. */
  async plain(pallet: string, name: string, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const key = storagePrefix(pallet, name);
    if (this.#runtime !== undefined) return (await this.values([key], signal))[0];
    const [upgrade, value] = await this.#storage.values([lastUpgradeKey, key], this.hash, signal);
    await this.#known(() => this.#runtimeOf(upgrade, signal));
    return this.#bytes(value, `${pallet}.${name}`);
  }

  async values(keys: readonly Hex[], signal?: AbortSignal): Promise<(Uint8Array | undefined)[]> {
    const values = await this.hexValues(keys, signal);
    return values.map((value) => this.#bytes(value, 'A value'));
  }

  /** As {@link values}, as the node sent them: maybe no hex. */
  hexValues(keys: readonly Hex[], signal?: AbortSignal): Promise<(Hex | undefined)[]> {
    return this.#storage.values(keys, this.hash, signal);
  }

  async *keyPages(prefix: Hex, signal?: AbortSignal): AsyncGenerator<readonly Hex[]> {
    for await (const { keys } of this.#storage.keyPages(prefix, this.hash, signal)) yield keys;
  }

  /** Decodes, and says of what fails where it was. Throws bad-storage. */
  decode<T>(what: string, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw this.unreadable(what, error);
    }
  }

  /** What does not decode, and where it was: another endpoint may have sense. */
  unreadable(what: string, error: unknown): RelayError {
    const reason = error instanceof Error ? error.message : String(error);
    this.#storage.doubt(`${what} can not be read: ${reason}`);
    return new RelayError('bad-storage', {
      details: { what, block: this.hash, reason },
      cause: error,
    });
  }

  async #runtimeOf(upgrade: Hex | undefined, signal: AbortSignal | undefined): Promise<Runtime> {
    const bytes = this.#bytes(upgrade, 'System.LastRuntimeUpgrade');
    // Not there before the first block.
    if (bytes === undefined) return this.#runtimes.of(this.hash, signal);
    const specVersion = this.decode('System.LastRuntimeUpgrade', () => new Reader(bytes, 'It').compactLength());
    return this.#runtimes.executing({ hash: this.hash }, specVersion, signal);
  }

  #known(load: () => Promise<Runtime>): Promise<Runtime> {
    this.#runtime ??= load().catch((error: unknown) => {
      this.#runtime = undefined;
      throw error;
    });
    return this.#runtime;
  }

  #bytes(value: Hex | undefined, what: string): Uint8Array | undefined {
    if (value === undefined) return undefined;
    const bytes = fastFromHex(value);
    if (bytes !== undefined) return bytes;
    throw this.unreadable(what, 'the node sent no hex');
  }
}
