import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { WorkerRows } from './worker.ts';
import { boundInPlace, boundsOverhead } from './endpoints.ts';
import { allocate, writeHex } from './fast-hex.ts';
import type { Layout } from './layout.ts';
import { endpointsAt, finishRow, keyAt, versionAt } from './worker-row.ts';

/** A value as a node sends it, or as bytes. */
type Encoded = Hex | Uint8Array;

/** Of a WorkerInfo, about. */
const infoBytes = 256;

/** What `Workers` and `Endpoints` hold of one worker. */
export interface EncodedWorker {
  /** Key in `Workers`. */
  readonly key: Hex;
  readonly info: Encoded;
  readonly endpoints: Encoded | undefined;
  readonly gatekeeper: boolean;
}

/** How a WorkerInfo is read. */
type InfoLayout = Pick<Layout, 'readConfidence' | 'decodeWorkerInfo'>;

/** Makes rows of what is on chain, without an object for any of them: a snapshot has 50 000. */
export class RowsWriter {
  readonly #layout: InfoLayout;
  #bytes: Uint8Array;
  readonly #ends: number[] = [];
  #used = 0;

  /** `endpointBytes`: of the lists of all `workers` together, as a guess. */
  constructor(layout: InfoLayout, workers: number, endpointBytes: number) {
    this.#layout = layout;
    this.#bytes = allocate(workers * endpointsAt + endpointBytes + infoBytes);
  }

  /** Throws what does not decode. */
  add({ key, info, endpoints, gatekeeper }: EncodedWorker): void {
    const start = this.#used;
    const listLength = endpoints === undefined ? 0 : lengthOf(endpoints);
    this.#reserve(start + Math.max(lengthOf(info), endpointsAt + listLength + boundsOverhead));
    const confidence = this.#addInfo(key, info);
    let end = start + endpointsAt;
    if (endpoints !== undefined) end = boundInPlace(this.#bytes, end, this.#write(end, endpoints));
    finishRow(this.#bytes, start, end, confidence, gatekeeper);
    this.#used = end;
    this.#ends.push(end);
  }

  /** In the place of one that is not registered. */
  addNone(): void {
    this.#ends.push(this.#used);
  }

  finish(): WorkerRows {
    const { buffer } = this.#bytes;
    // Lists that were cut leave much of it unused.
    const isFull = 2 * this.#used > this.#bytes.length;
    const bytes = isFull ? new Uint8Array(buffer, 0, this.#used) : new Uint8Array(buffer.slice(0, this.#used));
    return { bytes, ends: Uint32Array.from(this.#ends) };
  }

  /** A row begins as a WorkerInfo does; what follows there is overwritten. Gives the confidence level. */
  #addInfo(key: Hex, info: Encoded): number {
    const start = this.#used;
    const end = this.#write(start, info);
    const id = key.slice(-2 * keyAt);
    const confidence = this.#layout.readConfidence(this.#bytes, start, end);
    if (confidence >= 0) {
      // The chain looks a worker up by its key, whatever is said there.
      if (typeof info !== 'string' || !info.startsWith(id, 2)) this.#writeId(id);
      return confidence;
    }
    const decoded = this.#layout.decodeWorkerInfo(this.#bytes.slice(start, end), `0x${id}`);
    this.#writeId(id);
    this.#bytes.set(decoded.ecdhKey, start + keyAt);
    new DataView(this.#bytes.buffer, this.#bytes.byteOffset).setUint32(start + versionAt, decoded.runtimeVersion, true);
    return decoded.confidenceLevel;
  }

  #writeId(digits: string): void {
    if (writeHex(this.#bytes, this.#used, digits, 0) !== this.#used + keyAt) throw notHex('the end of its key');
  }

  #write(at: number, value: Encoded): number {
    if (typeof value !== 'string') {
      this.#bytes.set(value, at);
      return at + value.length;
    }
    const end = value.startsWith('0x') ? writeHex(this.#bytes, at, value, 2) : -1;
    if (end < 0) throw notHex('what the node sent');
    return end;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = allocate(2 * length);
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** The row in a place; undefined where nobody is registered. A view. */
export function rowAt({ bytes, ends }: WorkerRows, index: number): Uint8Array | undefined {
  const [start, end] = [index === 0 ? 0 : ends[index - 1], ends[index]];
  return start === end ? undefined : bytes.subarray(start, end);
}

function lengthOf(value: Encoded): number {
  return typeof value === 'string' ? value.length / 2 : value.length;
}

function notHex(what: string): RelayError {
  return new RelayError('bad-hex', { details: { what } });
}
