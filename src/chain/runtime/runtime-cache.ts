import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import { parseHeader } from '../head/header.ts';
import { expectBytes, expectNumber, expectObject } from '../rpc/expect.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { Runtime, type RuntimeVersion } from './runtime.ts';
import { RuntimesByVersion } from './runtimes-by-version.ts';

/** A block with its parent, where that is known. */
export interface ExecutedBlock {
  readonly hash: Hex;
  readonly parentHash?: Hex;
}

/** Where the runtimes of blocks come from. */
export interface RuntimeSource {
  /** The runtime that stands in the state of `block`: the one that the next block runs. */
  of(block: Hex, signal?: AbortSignal): Promise<Runtime>;
  /**
   * The runtime of this spec version, which executed `block`. Where the block itself brought an upgrade, its state has
   * the code of the next one already, and the parent has the one wanted.
   */
  executing(block: ExecutedBlock, specVersion: number, signal?: AbortSignal): Promise<Runtime>;
}

export interface RuntimeCacheParts {
  readonly reader: Pick<BlockReader, 'askAs'>;
  readonly hasLeft: (url: string) => boolean;
}

const versionMethod = 'state_getRuntimeVersion';
const metadataMethod = 'state_getMetadata';

/** Decoded metadata by spec version, loaded once each, of the node that is used; again where that one was left. */
export class RuntimeCache implements RuntimeSource {
  readonly #parts: RuntimeCacheParts;
  readonly #runtimes = new RuntimesByVersion<Loaded>();

  constructor(parts: RuntimeCacheParts) {
    this.#parts = parts;
  }

  async of(block: Hex, signal?: AbortSignal): Promise<Runtime> {
    const version = await this.#versionAt(block, signal);
    return this.#trusted(version.specVersion, () => this.#load(version, block), signal);
  }

  executing(block: ExecutedBlock, specVersion: number, signal?: AbortSignal): Promise<Runtime> {
    return this.#trusted(
      specVersion,
      async () => {
        const version = await this.#versionAt(block.hash);
        if (version.specVersion === specVersion) return this.#load(version, block.hash);
        const parent = block.parentHash ?? (await this.#ask('chain_getHeader', block.hash, parseHeader)).value.parentHash;
        const earlier = await this.#versionAt(parent);
        if (earlier.specVersion === specVersion) return this.#load(earlier, parent);
        const reason = `neither block ${block.hash} nor its parent is of version ${specVersion}, which executed it`;
        throw new RelayError('rpc-failed', { details: { method: versionMethod, reason } });
      },
      signal,
    );
  }

  async #trusted(specVersion: number, load: () => Promise<Loaded>, signal: AbortSignal | undefined): Promise<Runtime> {
    for (;;) {
      const { runtime, url } = await abortable(this.#runtimes.get(specVersion, load), signal);
      if (!this.#parts.hasLeft(url)) return runtime;
      this.#runtimes.delete(specVersion);
    }
  }

  async #versionAt(block: Hex, signal?: AbortSignal): Promise<RuntimeVersion> {
    return (await this.#ask(versionMethod, block, parseVersion, signal)).value;
  }

  async #load(version: RuntimeVersion, block: Hex): Promise<Loaded> {
    const { value, url } = await this.#ask(metadataMethod, block, parseMetadata);
    return { runtime: new Runtime(version, value), url };
  }

  #ask<T>(method: string, block: Hex, parse: (answer: unknown) => T, signal?: AbortSignal) {
    return this.#parts.reader.askAs({ method, params: [block], block }, parse, { signal });
  }
}

interface Loaded {
  readonly runtime: Runtime;
  /** Who gave its metadata. */
  readonly url: string;
}

export function parseVersion(answer: unknown): RuntimeVersion {
  const version = expectObject(answer, versionMethod);
  return {
    specName: String(version['specName']),
    specVersion: expectNumber(version['specVersion'], versionMethod),
    transactionVersion: expectNumber(version['transactionVersion'], versionMethod),
  };
}

export function parseMetadata(answer: unknown): Hex {
  return expectBytes(answer, metadataMethod);
}
