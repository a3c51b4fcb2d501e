import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { checkParent } from './check-parent.ts';
import type { Head, HeadEvent } from './head.ts';
import type { BranchWitness } from '../quorum/branch-witness.ts';
import type { LagPatience } from '../quorum/lag-patience.ts';
import { LagWitness } from '../quorum/lag-witness.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import type { HeadReader } from './head-reader.ts';
import type { Listening } from './listening.ts';
import { readRange } from './read-range.ts';
import { readSeen } from './read-seen.ts';
import { rememberedHeads, SeenBranch } from './seen-branch.ts';
import type { StartingPoint } from './starting-point.ts';

/** A gap wider than this is read by number, many at once, instead of parent by parent. */
const wideGap = 16;
/** Parents that are followed one by one, at most: whoever makes up headers can make up any number of them. */
const maxParents = 2 * rememberedHeads;

export interface BestParts {
  readonly connection: Connection;
  readonly endpoints: OtherEndpoints;
  readonly reader: HeadReader;
  readonly witness: (branch: SeenBranch, signal: AbortSignal) => Pick<BranchWitness, 'told'>;
  readonly patience: Pick<LagPatience, 'mayBeBehind'>;
}

/**
 * The best branch: every block once, in order; where it changes, `retracted` for what left it, newest first, then the
 * heads of the new branch. Without a block to begin with, the present one is the first, and a new one where that was taken
 * back: it may have been made up, with a number that the chain never gets to.
 */
export async function* walkBest(
  { connection, endpoints, reader, witness: witnessOf, patience }: BestParts,
  listen: () => Listening,
  { from, after }: StartingPoint,
): AsyncGenerator<HeadEvent, never> {
  using listening = listen();
  const { newest, signal } = listening;
  const options = { signal, patienceMs: Infinity };
  const parentOf = (head: Head): Promise<Head> => reader.byHash(head.parentHash, options);
  const branch =
    after === undefined
      ? new SeenBranch()
      : new SeenBranch(await readSeen(after, reader, listening, patience), parentOf);
  const witness = witnessOf(branch, signal);
  const lag = new LagWitness({ connection, endpoints, branch, patience, parentOf, signal });
  let first = after === undefined ? (from ?? Infinity) : 0;
  const isOpen = first === Infinity;
  let seen = 0;
  let session = 0;
  /** Who told of the branch. */
  let teller = '';
  let failures = 0;
  for (;;) {
    const { value, version } = await newest.next(signal, (newer) => newer.version > seen);
    const { head: target, session: told, url } = value;
    seen = version;
    const mayBeBehind = async ({ code }: RelayError): Promise<boolean> => {
      const { oldest } = branch;
      if (code !== 'state-discarded' || oldest === undefined || told === session) return false;
      return patience.mayBeBehind(url, oldest.hash, target.number);
    };
    try {
      // After a reconnect to a node that is behind, an older head of the same branch takes nothing back.
      if (told !== session && (await lag.isLag(target, url, teller))) continue;
      await branch.reachDown(target.number);
      const { tip } = branch;
      const isLag = tip !== undefined && told !== session && target.number < tip.number && branch.has(target);
      if (isLag || (!isOpen && tip === undefined && target.number < first)) continue;
      if (isOpen && target.number < first) {
        // Nothing is below it to hold it against.
        await checkParent(target, parentOf);
        yield* retracted(branch, -1);
        first = target.number;
      }
      yield* new BranchMove(reader, branch, first, parentOf, signal).to(target);
      session = told;
      teller = url;
      witness.told(url);
      failures = 0;
    } catch (error) {
      if (!isDoubtful(error)) throw error;
      const present = await connection.session(options);
      // The node that told of it is gone, and nobody else has it: the next one tells what is best.
      if (present.id !== told) continue;
      if (error.code === 'node-lies')
        connection.leave(url, new RelayError('node-lies', { details: { ...error.details, url } }));
      // Behind the only URL there is another node may have answered, which lacks what is below ours.
      else if (!connection.hasOthers && (await mayBeBehind(error))) continue;
      else if (++failures > connection.options.endpoints.length || !connection.distrust(url, error.message))
        throw error;
    }
  }
}

/** Of what one node told, where another may tell otherwise. */
function isDoubtful(error: unknown): error is RelayError {
  const codes = ['node-lies', 'state-discarded', 'chain-forked'] as const;
  return codes.some((code) => isRelayError(error, code));
}

/** From what was seen to another head. */
class BranchMove {
  readonly #reader: HeadReader;
  readonly #branch: SeenBranch;
  readonly #first: BlockNumber;
  readonly #parentOf: (head: Head) => Promise<Head>;
  readonly #signal: AbortSignal;

  constructor(
    reader: HeadReader,
    branch: SeenBranch,
    first: BlockNumber,
    parentOf: (head: Head) => Promise<Head>,
    signal: AbortSignal,
  ) {
    this.#reader = reader;
    this.#branch = branch;
    this.#first = first;
    this.#parentOf = parentOf;
    this.#signal = signal;
  }

  /** Throws state-discarded, node-lies, chain-forked. */
  async *to(target: Head): AsyncGenerator<HeadEvent> {
    const gap = target.number - (this.#branch.tip?.number ?? this.#first - 1);
    if (gap > wideGap) yield* this.#byNumber(target);
    yield* this.#byParents(target);
  }

  /** Most of a wide gap, as far as what the node gives by number hangs together. */
  async *#byNumber(target: Head): AsyncGenerator<HeadEvent> {
    const fork = await this.#forkBelow();
    if (fork === undefined && this.#branch.tip !== undefined) return;
    for await (const head of readRange(
      this.#reader,
      fork === undefined ? this.#first : fork.number + 1,
      target,
      this.#signal,
    )) {
      if (fork !== undefined && head.number === fork.number + 1) {
        if (head.parentHash !== fork.hash) return;
        yield* retracted(this.#branch, fork.number);
      }
      yield this.#push(head);
    }
  }

  /** The newest head seen that is still on the node's best branch; undefined where nothing was seen. */
  async #forkBelow(): Promise<Head | undefined> {
    const options = { signal: this.#signal, patienceMs: Infinity };
    for (let head = this.#branch.tip; head !== undefined; head = this.#branch.at(head.number - 1)) {
      if ((await this.#reader.at(head.number, options))?.hash === head.hash) return head;
      await this.#branch.reachDown(head.number - 1);
    }
    return undefined;
  }

  async *#byParents(target: Head): AsyncGenerator<HeadEvent> {
    const branch = this.#branch;
    const path: Head[] = [];
    for (let head = target; head.number >= this.#first && !branch.has(head);) {
      path.push(head);
      if (head.number === this.#first) break;
      await branch.reachDown(head.number - 1);
      const { oldest } = branch;
      if (oldest !== undefined && oldest.number > this.#first && head.number <= oldest.number)
        throw new RelayError('chain-forked', {
          details: { block: head.number, found: head.hash, seen: oldest.hash },
        });
      if (branch.has({ number: head.number - 1, hash: head.parentHash })) break;
      if (path.length > maxParents) {
        const reason = `the nodes do not have by number the more than ${maxParents} blocks that lead to it`;
        throw new RelayError('state-discarded', { details: { block: target.hash, reason } });
      }
      head = await checkParent(head, this.#parentOf);
    }
    const lowest = path.at(-1);
    yield* retracted(branch, lowest === undefined ? target.number : lowest.number - 1);
    for (const head of path.reverse()) yield this.#push(head);
  }

  #push(head: Head): HeadEvent {
    this.#branch.push(head);
    return { type: 'head', head };
  }
}

/** Those above a number. */
function* retracted(branch: SeenBranch, number: BlockNumber): Generator<HeadEvent> {
  for (const head of branch.retractDownTo(number)) yield { type: 'retracted', head };
}
