import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { descendsFrom } from '../head/descends-from.ts';
import type { BlockId, Head } from '../head/head.ts';
import { searchBlocks, type Searched } from './inclusion-search.ts';
import { settledNumber } from './settled-number.ts';
import { eraBlocks } from './sign-extrinsic.ts';
import type { ExtrinsicFacts, Fate, Fates } from './submission.ts';
import type { SubmitSources } from './submit-sources.ts';

/** What is known before blocks are searched. */
interface Present {
  readonly finalized: Head;
  readonly best: Head;
  /** The block that tells. */
  readonly by: BlockId;
  /** What blocks told before, by hash. */
  readonly told: ReadonlyMap<Hex, Fate>;
  /** The node has not got that block: it can tell nothing more. */
  readonly isBehind: boolean;
}

/** `before`: an earlier answer. What it tells is not searched for again as long as its block stands. */
export async function fatesOf(
  sources: SubmitSources,
  extrinsics: readonly ExtrinsicFacts[],
  before: Fates | undefined,
  signal: AbortSignal | undefined,
): Promise<Fates> {
  const { heads } = sources;
  const [finalized, best] = await Promise.all([heads.finalized({ signal }), heads.best({ signal })]);
  const number = settledNumber({ finalized, best });
  const settled = number === finalized.number ? finalized : await heads.existingAt(number, { signal });
  const present = { finalized, best, ...(await standing(sources, before, settled, signal)) };
  const judge = new Judge(sources, present, signal);
  const searched = await judge.search(extrinsics);
  const of = new Map<Hex, Fate>();
  for (const extrinsic of extrinsics) of.set(extrinsic.hash, await judge.fateOf(extrinsic, searched));
  return { by: present.by, of };
}

/** What still holds of an earlier answer, and by which block: the later one of its own and of the one that is settled now. */
async function standing(
  { heads }: SubmitSources,
  before: Fates | undefined,
  settled: Head,
  signal: AbortSignal | undefined,
): Promise<Omit<Present, 'finalized' | 'best'>> {
  const anew = { by: settled, told: new Map<Hex, Fate>(), isBehind: false };
  if (before === undefined || settled.number - before.by.number > eraBlocks) return anew;
  const told = new Map([...before.of].filter(([, { kind }]) => kind === 'included' || kind === 'dead'));
  const { by } = before;
  if (by.number > settled.number) {
    // A node that is behind takes nothing back.
    const there = await heads.at(by.number, { signal });
    const isBehind = there === undefined;
    return isBehind || there.hash === by.hash ? { by, told, isBehind } : anew;
  }
  const holds = await descendsFrom(settled, by, (hash) => heads.byHash(hash, { signal }));
  return holds ? { by: settled, told, isBehind: false } : anew;
}

/** Tells by one block what became of extrinsics. */
class Judge {
  readonly #sources: SubmitSources;
  readonly #present: Present;
  readonly #signal: AbortSignal | undefined;
  readonly #nonces = new Map<string, Promise<number>>();

  constructor(sources: SubmitSources, present: Present, signal: AbortSignal | undefined) {
    this.#sources = sources;
    this.#present = present;
    this.#signal = signal;
  }

  async search(extrinsics: readonly ExtrinsicFacts[]): Promise<Searched> {
    const { told, by, isBehind } = this.#present;
    const used: ExtrinsicFacts[] = [];
    for (const extrinsic of extrinsics)
      if (!isBehind && !told.has(extrinsic.hash) && (await this.#isUsed(extrinsic, by))) used.push(extrinsic);
    return searchBlocks(this.#sources, used, by, this.#signal);
  }

  async fateOf(extrinsic: ExtrinsicFacts, { included, unseen }: Searched): Promise<Fate> {
    const { finalized, best, by, isBehind } = this.#present;
    const { hash, account, death } = extrinsic;
    const told = this.#present.told.get(hash);
    const inclusion = told?.kind === 'included' ? told.inclusion : included.get(hash);
    if (inclusion !== undefined)
      return { kind: 'included', inclusion, isFinal: !isBehind && inclusion.blockNumber <= finalized.number };
    if (told === undefined) {
      const isUsed = !isBehind && (await this.#isUsed(extrinsic, by));
      const lost = isUsed ? outOfSight(extrinsic, unseen) : undefined;
      if (lost !== undefined) return lost;
      if (isBehind || (!isUsed && by.number < death))
        return { kind: 'open', nextNonce: await this.#nonce(account, best) };
    }
    const isOver = !isBehind && (finalized.number >= death || (await this.#isUsed(extrinsic, finalized)));
    return { kind: 'dead', isFinal: isOver };
  }

  async #isUsed({ account, nonce }: ExtrinsicFacts, block: BlockId): Promise<boolean> {
    return (await this.#nonce(account, block)) > nonce;
  }

  /** In the state of a block; asked for once. */
  #nonce(account: Hex, { hash }: BlockId): Promise<number> {
    const key = account + hash;
    let nonce = this.#nonces.get(key);
    if (nonce === undefined) this.#nonces.set(key, (nonce = this.#sources.nonceAt(account, hash, this.#signal)));
    return nonce;
  }
}

function outOfSight({ anchor, death }: ExtrinsicFacts, unseen: readonly BlockNumber[]): Fate | undefined {
  const numbers = unseen.filter((number) => number > anchor && number < death);
  if (numbers.length === 0) return undefined;
  return { kind: 'unknown', first: Math.min(...numbers), last: Math.max(...numbers) };
}
