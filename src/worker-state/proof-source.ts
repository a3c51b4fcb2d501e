import {
  nothingRead,
  type Chain,
  type Head,
  type ProvenWorkers,
  type WorkersDifference,
  type WorkersMark,
} from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import type { ChangeSource, Differences, KnownFacts } from './change-source.ts';
import { endpointFacts, factsOf, infoFacts, type WorkerFacts } from './worker-facts.ts';

const noReconciles: ChangeSource['stats'] = { reconciles: 0, missed: 0 };
const noEndpoints: readonly string[] = [];

/** What differs in the state trie, proven against the state root of each block. */
export class ProofSource implements ChangeSource {
  readonly strategy = 'proofs';
  readonly stats = noReconciles;
  readonly #chain: Pick<Chain, 'headOf'>;
  readonly #proven: ProvenWorkers;
  #mark: WorkersMark = nothingRead;
  #gatekeepers: ReadonlySet<Hex> = new Set();

  constructor(chain: Pick<Chain, 'headOf' | 'provenWorkers'>) {
    this.#chain = chain;
    this.#proven = chain.provenWorkers;
  }

  async snapshot(pinned: Head, put: (facts: WorkerFacts) => void, signal: AbortSignal): Promise<Head> {
    const { head, difference } = await this.#proven.snapshot(pinned, signal);
    const { infos, endpoints, gatekeepers, mark } = difference;
    for (const [id, info] of infos)
      if (info !== undefined)
        put(factsOf({ info, endpoints: endpoints.get(id) ?? noEndpoints, gatekeeper: gatekeepers.has(id) }));
    this.#mark = mark;
    this.#gatekeepers = gatekeepers;
    return head;
  }

  async changesAt(head: Head, known: KnownFacts, signal: AbortSignal): Promise<Differences> {
    const lists = (id: Hex): number => {
      const facts = known.facts(id);
      return facts === undefined ? 0 : facts.urls.length + facts.records.length;
    };
    const difference = await this.#proven.changes(
      this.#mark,
      head,
      {
        has: (id) => known.facts(id) !== undefined,
        hasEndpoints: (id) => lists(id) > 0,
        ids: () => known.ids(),
      },
      signal,
    );
    return {
      workers: this.#factsNow(difference, known),
      accept: () => {
        this.#mark = difference.mark;
        this.#gatekeepers = difference.gatekeepers;
      },
    };
  }

  /** The trie of the parent against that of the block, as between any two. */
  async changesBack({ parentHash }: Head, known: KnownFacts, signal: AbortSignal): Promise<Differences> {
    return this.changesAt(await this.#chain.headOf(parentHash, signal), known, signal);
  }

  #factsNow({ infos, endpoints, gatekeepers }: WorkersDifference, known: KnownFacts): Differences['workers'] {
    const ids = new Set([...infos.keys(), ...endpoints.keys(), ...inOneOnly(this.#gatekeepers, gatekeepers)]);
    return Array.from(ids, (id) => {
      const before = known.facts(id);
      const info = infos.get(id);
      const list = endpoints.get(id);
      const base = info === undefined ? (infos.has(id) ? undefined : before) : infoFacts(info);
      if (base === undefined) return [id, undefined];
      const lists = list === undefined && before !== undefined ? before : endpointFacts(list ?? noEndpoints);
      const { urls, records } = lists;
      return [id, { ...base, urls, records, gatekeeper: gatekeepers.has(id) }];
    });
  }
}

function inOneOnly(a: ReadonlySet<Hex>, b: ReadonlySet<Hex>): Hex[] {
  return [...[...a].filter((id) => !b.has(id)), ...[...b].filter((id) => !a.has(id))];
}
