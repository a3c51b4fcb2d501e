import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import { headerOf } from '../head/header-of.ts';
import type { Header } from '../head/header.ts';
import type { Connection } from '../rpc/connection.ts';
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
  readonly connection: Pick<Connection, 'hasLeft' | 'doubt'>;
  readonly hashOf: (header: Header) => Hex;
}

const versionMethod = 'state_getRuntimeVersion';
const metadataMethod = 'state_getMetadata';
/** The parent of the genesis. */
export const noBlock: Hex = `0x${'00'.repeat(32)}`;

/**
 * Decoded metadata by spec version, loaded once each, of the node that is used; again where that one was left. Whose word can
 * not be used is doubted where another's can.
 */
export class RuntimeCache implements RuntimeSource {
  readonly #parts: RuntimeCacheParts;
  readonly #runtimes = new RuntimesByVersion<Loaded>();

  constructor(parts: RuntimeCacheParts) {
    this.#parts = parts;
  }

  async of(block: Hex, signal?: AbortSignal): Promise<Runtime> {
    const { value: version } = await this.#ask(versionMethod, block, parseVersion, signal);
    return this.#trusted(version.specVersion, () => this.#load(version, block), signal);
  }

  executing(block: ExecutedBlock, specVersion: number, signal?: AbortSignal): Promise<Runtime> {
    return this.#trusted(specVersion, () => this.#find(block, specVersion), signal);
  }

  async #trusted(specVersion: number, load: () => Promise<Loaded>, signal: AbortSignal | undefined): Promise<Runtime> {
    for (;;) {
      const { runtime, url } = await abortable(this.#runtimes.get(specVersion, load), signal);
      if (!this.#parts.connection.hasLeft(url)) return runtime;
      this.#runtimes.delete(specVersion);
    }
  }

  async #find({ hash, parentHash }: ExecutedBlock, specVersion: number): Promise<Loaded> {
    const { value: version } = await this.#ask(versionMethod, hash, parseVersion);
    if (version.specVersion === specVersion) return this.#load(version, hash);
    const parent = parentHash ?? (await this.#parentOf(hash));
    const before = parent === noBlock ? hash : parent;
    const parseWanted = (answer: unknown): RuntimeVersion => {
      const earlier = parseVersion(answer);
      if (earlier.specVersion === specVersion) return earlier;
      const reason = `it says that block ${before} is of version ${earlier.specVersion}, where ${hash} was executed by ${specVersion}`;
      throw new RelayError('rpc-failed', { details: { method: versionMethod, reason } });
    };
    return this.#load((await this.#ask(versionMethod, before, parseWanted)).value, before);
  }

  async #load(version: RuntimeVersion, block: Hex): Promise<Loaded> {
    const read = (answer: unknown): Runtime => new Runtime(version, parseMetadata(answer));
    const { value, url } = await this.#ask(metadataMethod, block, read);
    return { runtime: value, url };
  }

  async #parentOf(block: Hex): Promise<Hex> {
    const { reader, hashOf } = this.#parts;
    const request = { method: 'chain_getHeader', params: [block], block };
    return (await reader.askAs(request, (answer, url) => headerOf(block, answer, url, hashOf))).value.parentHash;
  }

  async #ask<T>(
    method: string,
    block: Hex,
    parse: (answer: unknown) => T,
    signal?: AbortSignal,
  ): Promise<{ readonly value: T; readonly url: string }> {
    const reasons = new Map<string, string>();
    const parseOf = (answer: unknown, url: string): T => {
      try {
        return parse(answer);
      } catch (error) {
        if (isRelayError(error)) reasons.set(url, String(error.details?.['reason'] ?? error.message));
        throw error;
      }
    };
    const answer = await this.#parts.reader.askAs({ method, params: [block], block }, parseOf, { signal });
    reasons.delete(answer.url);
    for (const [url, reason] of reasons) {
      const details = { about: `the runtime of block ${block}`, block, said: `${url}: ${reason}` };
      this.#parts.connection.doubt(url, new RelayError('endpoints-disagree', { details }), [answer.url]);
    }
    return answer;
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
