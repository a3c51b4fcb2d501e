import {
  decodeMark,
  encodeMark,
  nothingRead,
  type Chain,
  type Head,
  type ProvenWorkers,
  type WorkersDifference,
  type WorkersMark,
} from '../chain/index.ts';
import { fromHex, Reader, Writer, type Hex } from '../codec/index.ts';
import type { ChangeSource, Differences, KnownRows, SourceMemory } from './change-source.ts';
import { decodeIds, encodeIds } from './ids-codec.ts';
import type { RowCollector } from './rows/row-collector.ts';
import { hasEndpoints, packRow, workerFields } from '../chain/index.ts';

const noReconciles: ChangeSource['stats'] = { reconciles: 0, missed: 0 };
const noDifferences: Differences = { workers: [], accept: () => undefined };
const noEndpoints = new Uint8Array(0);

/** What differs in the state trie, proven against the state root of each block. */
export class ProofSource implements ChangeSource {
  readonly strategy = 'proofs';
  readonly stats = noReconciles;
  readonly #chain: Pick<Chain, 'headOf'>;
  readonly #proven: ProvenWorkers;
  readonly #agreed: boolean;
  #mark: WorkersMark = nothingRead;
  #gatekeepers: ReadonlySet<Hex> = new Set();

  /** `agreed`: decoded by metadata that a quorum has. */
  constructor(chain: Pick<Chain, 'headOf' | 'provenWorkers' | 'agreedWorkers' | 'trust'>, agreed = false) {
    this.#chain = chain;
    // With one endpoint there is nobody to agree with.
    this.#agreed = agreed && chain.trust === 'quorum';
    this.#proven = agreed ? chain.agreedWorkers : chain.provenWorkers;
  }

  async snapshot(head: Head, rows: RowCollector, signal: AbortSignal): Promise<boolean> {
    const { mark, gatekeepers, isComplete } = await this.#proven.snapshot(head, rows.add, signal);
    this.#mark = mark;
    this.#gatekeepers = gatekeepers;
    return isComplete;
  }

  async changesAt(head: Head, known: KnownRows, signal: AbortSignal): Promise<Differences> {
    const has = (id: Hex): boolean => known.row(id) !== undefined;
    const listed = (id: Hex): boolean => {
      const row = known.row(id);
      return row !== undefined && hasEndpoints(row);
    };
    const reader = { has, hasEndpoints: listed, ids: () => known.ids() };
    const difference = await this.#proven.changes(this.#mark, head, reader, signal);
    if (difference === undefined) return noDifferences;
    return {
      workers: this.#rowsNow(difference, known),
      accept: () => {
        this.#mark = difference.mark;
        this.#gatekeepers = difference.gatekeepers;
      },
    };
  }

  get remembered(): object {
    return this.#mark;
  }

  memory(): Uint8Array {
    return new Writer()
      .u8(this.#agreed ? 1 : 0)
      .bytes(encodeIds(this.#gatekeepers))
      .raw(encodeMark(this.#mark))
      .finish();
  }

  recall({ strategy, memory }: SourceMemory): boolean {
    if (strategy !== this.strategy) return false;
    const reader = new Reader(memory, 'The memory of proofs', true);
    // What one node said that fields mean is not taken over by who wants several to agree.
    if (reader.u8() === 0 && this.#agreed) return false;
    this.#gatekeepers = decodeIds(reader.bytes());
    this.#mark = decodeMark(reader.rest());
    return true;
  }

  /** The trie of the parent against that of the block, as between any two. */
  async changesBack({ parentHash }: Head, known: KnownRows, signal: AbortSignal): Promise<Differences> {
    return this.changesAt(await this.#chain.headOf(parentHash, signal), known, signal);
  }

  #rowsNow({ infos, endpoints, gatekeepers }: WorkersDifference, known: KnownRows): Differences['workers'] {
    const ids = new Set([...infos.keys(), ...endpoints.keys(), ...inOneOnly(this.#gatekeepers, gatekeepers)]);
    return Array.from(ids, (id) => {
      const row = known.row(id);
      const before = row && workerFields(row);
      const info = infos.has(id) ? infos.get(id) : before;
      if (info === undefined) return [id, undefined];
      const { ecdhKey, runtimeVersion, confidenceLevel } = info;
      return [
        id,
        packRow({
          identity: before?.identity ?? fromHex(id),
          ecdhKey,
          runtimeVersion,
          confidenceLevel,
          endpoints: endpoints.get(id) ?? before?.endpoints ?? noEndpoints,
          gatekeeper: gatekeepers.has(id),
        }),
      ];
    });
  }
}

function inOneOnly(a: ReadonlySet<Hex>, b: ReadonlySet<Hex>): Hex[] {
  return [...[...a].filter((id) => !b.has(id)), ...[...b].filter((id) => !a.has(id))];
}
