import { fromHex, type Hex } from '../../codec/index.ts';
import { abortable } from '../abort.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Connection } from '../rpc/connection.ts';
import { skimJson } from '../rpc/skim-json.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import { lookUp } from '../trie/look-up.ts';
import { loadHash256, ProofNodes } from '../trie/proof-nodes.ts';
import { digitsOf, isUnavailable, proofIn, withoutProofs, type ProofReader } from '../trie/proof-reader.ts';
import { blocksAtOnce, callsAtOnce, fewBlocks, type BlockAnchor } from './block-anchor.ts';
import { FrameCache } from './frame-cache.ts';
import type { OutboundValue, StoredMessages } from './outbound-value.ts';
import { asStored, ValueRanges } from './value-ranges.ts';

const key = storagePrefix('PhalaMq', 'OutboundMessages');
const keyDigits = digitsOf(key);

export interface OutboundValuesParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly proofs: ProofReader;
}

/** Reads `OutboundMessages` of many blocks at once; who reads the same ones at the same time shares the reading. */
export class OutboundValues {
  readonly #connection: Connection;
  readonly #blocks: BlockReader;
  readonly #proofs: ProofReader;
  readonly #ranges: ValueRanges;
  readonly #cache = new FrameCache();
  #blocksAtOnce = callsAtOnce;

  constructor({ connection, blocks, proofs }: OutboundValuesParts) {
    this.#ranges = new ValueRanges(connection, key);
    this.#connection = connection;
    this.#blocks = blocks;
    this.#proofs = proofs;
  }

  /** Somebody reads block after block, until what it gives is disposed: more is kept while there are several. */
  enter(): Disposable {
    return this.#cache.enter();
  }

  /** As many are well read together, by how they were read last. */
  get blocksAtOnce(): number {
    return this.#blocksAtOnce;
  }

  /**
   * In the order of `anchors`; those with a state root are proven. Throws state-discarded, naming the block,
   * proofs-unavailable, node-lies where no endpoint is left, rpc-failed, chain-unreachable, aborted; OversizedAnswer where more than
   * a few blocks together are more than the node sends.
   */
  async read(anchors: readonly BlockAnchor[], signal?: AbortSignal): Promise<readonly OutboundValue[]> {
    const known = this.#cache.get(anchors);
    if (known !== undefined) return abortable(known, signal);
    // Others may wait for it too: it ends with the connection, not with who asked first.
    const reading = this.#fetch(anchors, this.#connection.stopped);
    this.#cache.share(anchors, reading);
    return abortable(reading, signal);
  }

  async #fetch(anchors: readonly BlockAnchor[], signal: AbortSignal): Promise<OutboundValue[]> {
    const proven = anchors.every(({ stateRoot }) => stateRoot !== undefined);
    const ranged = proven ? undefined : await this.#ranged(anchors, signal);
    this.#blocksAtOnce = ranged === undefined ? callsAtOnce : blocksAtOnce;
    if (ranged !== undefined) return anchors.map((block, i) => ({ block, value: ranged[i], isProven: false }));
    const method = proven ? 'state_getReadProof' : 'state_getStorage';
    const params = (hash: Hex): readonly unknown[] => (proven ? [[key], hash] : [key, hash]);
    const requests = anchors.map(({ hash }) => ({ method, params: params(hash), block: hash }));
    const reader = proven ? undefined : skimJson;
    const answers = await this.#blocks.askAll(requests, { signal, reader, few: fewBlocks });
    if (proven) await loadHash256();
    const values: OutboundValue[] = [];
    for (const [i, block] of anchors.entries()) {
      const answer = answers[i];
      if (answer === undefined || answer instanceof RelayError) throw failureOf(answer);
      const { result, url } = answer;
      const value =
        block.stateRoot === undefined
          ? storedIn(result, block)
          : await this.#proven(block, block.stateRoot, result, url, signal);
      values.push({ block, value, isProven: proven });
    }
    return values;
  }

  async #ranged(anchors: readonly BlockAnchor[], signal: AbortSignal) {
    try {
      return await this.#ranges.read(anchors, signal);
    } catch (error) {
      // So few are held in memory, whatever they have.
      if (!(error instanceof OversizedAnswer) || anchors.length > fewBlocks) throw error;
      return undefined;
    }
  }

  /** A proof that does not hold makes its node be left, and the value is read of another. */
  async #proven(
    block: BlockAnchor,
    stateRoot: Hex,
    result: unknown,
    url: string,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    let reason = `it leaves out ${keyDigits}`;
    try {
      const nodes = new ProofNodes(await loadHash256());
      nodes.add(proofIn(result) ?? [result]);
      const known = lookUp(nodes, fromHex(stateRoot), keyDigits);
      if (known !== undefined) return known.is;
    } catch (error) {
      if (!isRelayError(error, 'bad-proof')) throw error;
      reason = String(error.details?.['reason']);
    }
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block: block.hash, reason } }));
    const [value] = await this.#proofs.values({ ...block, stateRoot }, [key], signal);
    return value;
  }
}

function failureOf(error: RelayError | undefined): RelayError {
  if (error === undefined) return new RelayError('rpc-failed', { details: { method: key, reason: 'no answer' } });
  return isUnavailable(error) ? withoutProofs(error) : error;
}

function storedIn(result: unknown, { hash }: BlockAnchor): StoredMessages | undefined {
  if (result === null || result === undefined) return undefined;
  const stored = asStored(result);
  if (stored !== undefined) return stored;
  const details = { what: 'PhalaMq.OutboundMessages', block: hash, reason: 'the node sent no hex' };
  throw new RelayError('bad-storage', { details });
}
