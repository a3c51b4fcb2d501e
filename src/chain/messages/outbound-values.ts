import { abortable } from '../abort.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Connection } from '../rpc/connection.ts';
import { skimText } from '../rpc/skim-json.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import { blocksAtOnce, callsAtOnce, fewBlocks, type BlockAnchor } from './block-anchor.ts';
import { FrameCache } from './frame-cache.ts';
import type { OutboundRead, StoredMessages } from './outbound-value.ts';
import { ProvenValues, type ProvenAnchor, type ProvenValuesParts } from './proven-values.ts';
import { asStored, ValueRanges } from './value-ranges.ts';

const key = storagePrefix('PhalaMq', 'OutboundMessages');

/** undefined: no messages. state-discarded: no endpoint has the state. */
type ReadValue = StoredMessages | RelayError | undefined;

/** Reads `OutboundMessages` of many blocks at once; who reads the same ones at the same time shares the reading. */
export class OutboundValues {
  readonly #connection: Connection;
  readonly #blocks: BlockReader;
  readonly #proven: ProvenValues;
  readonly #ranges: ValueRanges;
  readonly #cache = new FrameCache();
  #blocksAtOnce = callsAtOnce;

  constructor(parts: ProvenValuesParts) {
    this.#connection = parts.connection;
    this.#blocks = parts.blocks;
    this.#proven = new ProvenValues(parts, key);
    this.#ranges = new ValueRanges(parts.connection, key);
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
   * In the order of `anchors`; those with a state root are proven. Throws proofs-unavailable, node-lies where no endpoint is
   * left, rpc-failed, chain-unreachable, aborted; OversizedAnswer where more than a few blocks together are more than the
   * node sends.
   */
  async read(anchors: readonly BlockAnchor[], signal?: AbortSignal): Promise<readonly OutboundRead[]> {
    const known = this.#cache.get(anchors);
    if (known !== undefined) return abortable(known, signal);
    // Others may wait for it too: it ends with the connection, not with who asked first.
    const reading = this.#fetch(anchors, this.#connection.stopped);
    this.#cache.share(anchors, reading);
    return abortable(reading, signal);
  }

  async #fetch(anchors: readonly BlockAnchor[], signal: AbortSignal): Promise<OutboundRead[]> {
    const isProven = anchors.every(hasRoot);
    if (isProven) this.#blocksAtOnce = callsAtOnce;
    const values = isProven ? await this.#proven.read(anchors, signal) : await this.#believed(anchors, signal);
    return anchors.map((block, i) => {
      const value = values[i];
      return value instanceof RelayError ? { block, error: value } : { block, value, isProven };
    });
  }

  async #believed(anchors: readonly BlockAnchor[], signal: AbortSignal): Promise<ReadValue[]> {
    const ranged = await this.#ranged(anchors, signal);
    this.#blocksAtOnce = ranged === undefined ? callsAtOnce : blocksAtOnce;
    if (ranged !== undefined) return ranged;
    const requests = anchors.map(({ hash }) => ({ method: 'state_getStorage', params: [key, hash], block: hash }));
    const answers = await this.#blocks.askAll(requests, { signal, reader: skimText, few: fewBlocks });
    return anchors.map((block, i) => {
      const answer = answers[i];
      if (isRelayError(answer, 'state-discarded')) return answer;
      if (answer instanceof RelayError) throw answer;
      if (answer === undefined) throw new RelayError('rpc-failed', { details: { method: key, reason: 'no answer' } });
      return storedIn(answer.result, block);
    });
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
}

function hasRoot(block: BlockAnchor): block is ProvenAnchor {
  return block.stateRoot !== undefined;
}

function storedIn(result: unknown, { hash }: BlockAnchor): StoredMessages | undefined {
  if (result === null || result === undefined) return undefined;
  const stored = asStored(result);
  if (stored !== undefined) return stored;
  const details = { what: 'PhalaMq.OutboundMessages', block: hash, reason: 'the node sent no hex' };
  throw new RelayError('bad-storage', { details });
}
