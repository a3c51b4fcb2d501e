import { equalBytes, type Hex } from '../../src/codec/index.ts';
import { completed } from './completed.ts';
import { Deliveries, type Meant, type RecipientRecord, type Told } from './deliveries.ts';
import { displaced, type AccountUse, type FinalBlocks } from './displaced.ts';
import { Excuses, type Excuse } from './excuses.ts';
import type { Span } from './gaps.ts';
import { blockList, byName, isPostedTooOften, nameOf, type Copy } from './postings.ts';
import type { PostedMessage } from './truth.ts';
import { UnknownFates } from './unknown-fates.ts';

export interface SenderRecord extends AccountUse {
  /** As the truth names it: `worker 0x…` or `account 0x…`. */
  readonly id: string;
  /** The sender is a worker, whose sequences other software uses as well. Default false. */
  readonly isWorkerShared?: boolean;
}

export interface Evidence {
  readonly senders: readonly SenderRecord[];
  readonly recipients: readonly RecipientRecord[];
  readonly posted: readonly PostedMessage[];
  /** Default: none, so that no message may lose its place by a reorg. */
  readonly finalBlocks?: FinalBlocks;
  /** Default: none. */
  readonly copies?: readonly Copy[];
  /** Names of messages that may be in any number of blocks. Default: none. */
  readonly uncounted?: ReadonlySet<string>;
  /** Texts of messages that also went off chain. */
  readonly relayed?: ReadonlySet<string>;
  /** Texts of messages that may come after later ones: as what was retried by hand. */
  readonly unordered?: ReadonlySet<string>;
  /** Codes that a message may fail with; then it is in no block. Default: none may fail. */
  readonly mayFailWith?: ReadonlySet<string>;
  /** Of recipients: blocks that the run has had forgotten while it kept them away. Default: none. */
  readonly mayMiss?: ReadonlyMap<Hex, readonly Span[]>;
}

export interface Verdict {
  /** Sentences; none: the promises were kept. */
  readonly broken: readonly string[];
  readonly queued: number;
  readonly delivered: number;
  /** Queued, and only in blocks that a gap names, and that the run has had forgotten. */
  readonly missedByGap: number;
  readonly dead: number;
  readonly excused: Excuses;
}

/** A message that must arrive. */
interface Queued {
  readonly name: string;
  readonly to: Hex;
  readonly text: string;
  failure: string | undefined;
}

/** Holds the ledgers of both sides against each other and against the blocks. */
export function judge(evidence: Evidence): Verdict {
  const { recipients, posted, mayFailWith = new Set() } = evidence;
  const broken: string[] = [];
  const excused = new Excuses();
  const { meant, queued, neverQueued } = sentBy(evidence.senders, broken);
  const onChain = byName(posted);
  let delivered = 0;
  let missedByGap = 0;
  for (const recipient of recipients) {
    const seen = new Deliveries(recipient, toldOf(evidence, { meant, onChain, to: recipient.id }), broken, excused);
    delivered += seen.count;
    for (const { text, name, isToldFinal } of seen.held()) {
      if (neverQueued.has(text)) broken.push(`"${text}" was delivered, and its sender's queue never held it`);
      if (!onChain.has(name) && evidence.relayed?.has(text) !== true)
        broken.push(`"${text}" was delivered, was not taken back, and is in no finalized block`);
      if (!isToldFinal)
        broken.push(`"${text}" was delivered early and never told to be final (${seen.historyOf(text)})`);
    }
    for (const message of queued) {
      if (message.to !== recipient.id || message.failure !== undefined) continue;
      const fate = seen.fateOf(message.name);
      if (fate === 'held') continue;
      const blocks = onChain.get(message.name) ?? [];
      if (blocks.length > 0 && blocks.every(({ block }) => seen.isMissing(block))) missedByGap++;
      else broken.push(`"${message.text}" ${lost(fate, seen.historyOf(message.text))}: ${whereOf(blocks)}`);
    }
  }
  for (const message of queued) {
    const { name, text, failure } = message;
    if (failure === undefined) continue;
    if (!mayFailWith.has(failure)) broken.push(`"${text}" failed with ${failure}`);
    if (onChain.has(name) && evidence.uncounted?.has(name) !== true)
      broken.push(`"${text}" was given up [${failure}] and is in a block`);
  }
  broken.push(...postedTooOften(evidence, { onChain, queued, excused }));
  const dead = recipients.flatMap(({ entries }) => entries.filter(({ event }) => event === 'dead')).length;
  return { broken, queued: queued.length, delivered, missedByGap, dead, excused };
}

function toldOf(
  { senders, finalBlocks = new Map<number, Hex>(), copies = [], uncounted, relayed, unordered, mayMiss }: Evidence,
  {
    meant,
    onChain,
    to,
  }: Pick<Told, 'meant'> & { readonly onChain: ReadonlyMap<string, PostedMessage[]>; readonly to: Hex },
): Told {
  const copied = new Set(copies.map(nameOf));
  const mayBeLate = new Set(
    senders.flatMap((sender) =>
      displaced(sender, finalBlocks).flatMap(({ to, nonce }) =>
        nonce === undefined ? [] : [nameOf({ sender: sender.id, to, nonce: BigInt(nonce) })],
      ),
    ),
  );
  const shared = new Set(senders.filter(({ isWorkerShared = false }) => isWorkerShared).map(({ id }) => id));
  return {
    meant,
    mayBeLate,
    // Where others use the sequence of one before it (docs/outbox.md, Limits).
    mayBeEarly: new Set(copies.filter((copy) => shared.has(copy.sender) && isIn(copy, onChain)).map(nameOf)),
    unordered: new Set([...(unordered ?? []), ...(relayed ?? [])]),
    mayMiss: mayMiss?.get(to) ?? [],
    repostedIn: (name) => (copied.has(name) || uncounted?.has(name) === true ? (onChain.get(name) ?? []) : []),
  };
}

/** Of all that senders of the run have in blocks, whatever they wrote down of it. */
function postedTooOften(
  { senders, copies = [], uncounted }: Evidence,
  {
    onChain,
    queued,
    excused,
  }: {
    readonly onChain: ReadonlyMap<string, PostedMessage[]>;
    readonly queued: readonly Queued[];
    readonly excused: Excuses;
  },
): string[] {
  const shared = new Map(senders.map(({ id, isWorkerShared = false }) => [id, isWorkerShared] as const));
  const copiesOf = byName(copies);
  const labels = new Map(queued.map(({ name, text }) => [name, `"${text}"`] as const));
  const unknown = new UnknownFates(senders);
  return [...onChain].flatMap(([name, blocks]) => {
    const isShared = shared.get(blocks[0]?.sender ?? '');
    if (isShared === undefined || uncounted?.has(name) === true) return [];
    const ownCopies = copiesOf.get(name) ?? [];
    const known = isPostedTooOften(blocks, ownCopies, isShared) ? unknown.known(blocks) : blocks;
    if (!isPostedTooOften(known, ownCopies, isShared)) {
      if (known.length < blocks.length)
        excused.add('stands in blocks twice: nobody could know whether it came in, since others used its sequence');
      if (known.length > 1) excused.add(whyTwice(known));
      return [];
    }
    return [`${labels.get(name) ?? name} was posted ${blocks.length} times: in block ${blockList(blocks)}`];
  });
}

function whyTwice([first]: readonly PostedMessage[]): Excuse {
  return first?.sender.startsWith('account ') === true
    ? 'stands in blocks as often as it was posted again as its account'
    : 'stands in blocks twice: sealed again while others had what was sealed before';
}

/** Whether a copy's very bytes are in a block. */
function isIn(copy: Copy, onChain: ReadonlyMap<string, PostedMessage[]>): boolean {
  return (onChain.get(nameOf(copy)) ?? []).some(({ payload }) => equalBytes(payload, copy.payload));
}

function lost(fate: 'taken back' | 'never came', history: string): string {
  return fate === 'taken back' ? `was taken back and never came again (${history})` : 'was queued and never arrived';
}

function whereOf(blocks: readonly PostedMessage[]): string {
  return blocks.length === 0 ? 'no block carries it' : `it is in block ${blockList(blocks)}`;
}

interface Sent {
  /** By text. */
  readonly meant: ReadonlyMap<string, Meant>;
  readonly queued: readonly Queued[];
  /** Texts. */
  readonly neverQueued: ReadonlySet<string>;
}

function sentBy(senders: readonly SenderRecord[], broken: string[]): Sent {
  const meant = new Map<string, Meant>();
  const queued = new Map<string, Queued>();
  const neverQueued = new Set<string>();
  for (const { id: sender, entries: written } of senders) {
    const { entries, ...told } = completed(written);
    for (const text of told.neverQueued) neverQueued.add(text);
    broken.push(...told.unmeant.map((what) => `the queue of ${sender} held what was never sent: ${what}`));
    for (const entry of entries) {
      if (entry.event === 'meant') meant.set(entry.text, { sender, to: entry.to, place: meant.size });
      const to = entry.event === 'queued' ? meant.get(entry.text)?.to : undefined;
      if (entry.event === 'queued' && to !== undefined) {
        const { text, nonce } = entry;
        const name = nameOf({ sender, to, nonce: BigInt(nonce) });
        const { text: first } = queued.get(name) ?? entry;
        if (first !== text) broken.push(`"${first}" and "${text}" were queued with one nonce`);
        else if (!queued.has(name)) queued.set(name, { name, to, text, failure: undefined });
      }
      if (entry.event !== 'failed') continue;
      const failed = queued.get(nameOf({ sender, to: entry.to, nonce: BigInt(entry.nonce) }));
      if (failed !== undefined) failed.failure = entry.code;
    }
  }
  return { meant, queued: [...queued.values()], neverQueued };
}
