import { equalBytes, type Hex } from '../../src/codec/index.ts';
import { Deliveries, type Meant, type RecipientRecord, type Told } from './deliveries.ts';
import { displaced, type AccountUse, type FinalBlocks } from './displaced.ts';
import type { Span } from './gaps.ts';
import { blockList, byName, isPostedTooOften, nameOf, type Copy } from './postings.ts';
import type { PostedMessage } from './truth.ts';

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
}

/** A message that must arrive. */
interface Queued {
  readonly name: string;
  readonly to: Hex;
  /** undefined: its sender was killed before it could write down which of those it meant that is. */
  text: string | undefined;
  failure: string | undefined;
}

/** Holds the ledgers of both sides against each other and against the blocks. */
export function judge(evidence: Evidence): Verdict {
  const { recipients, posted, mayFailWith = new Set() } = evidence;
  const broken: string[] = [];
  const { meant, queued } = sentBy(evidence.senders);
  const onChain = byName(posted);
  let delivered = 0;
  let missedByGap = 0;
  for (const recipient of recipients) {
    const seen = new Deliveries(recipient, toldOf(evidence, { meant, onChain, to: recipient.id }), broken);
    delivered += seen.count;
    for (const { text, name, isToldFinal } of seen.held()) {
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
      else broken.push(`${labelOf(message)} ${lost(fate, seen.historyOf(message.text ?? ''))}: ${whereOf(blocks)}`);
    }
  }
  for (const message of queued) {
    const { name, failure } = message;
    if (failure === undefined) continue;
    if (!mayFailWith.has(failure)) broken.push(`${labelOf(message)} failed with ${failure}`);
    if (onChain.has(name) && evidence.uncounted?.has(name) !== true)
      broken.push(`${labelOf(message)} was given up [${failure}] and is in a block`);
  }
  broken.push(...postedTooOften(evidence, onChain, queued));
  const dead = recipients.flatMap(({ entries }) => entries.filter(({ event }) => event === 'dead')).length;
  return { broken, queued: queued.length, delivered, missedByGap, dead };
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
  onChain: ReadonlyMap<string, PostedMessage[]>,
  queued: readonly Queued[],
): string[] {
  const shared = new Map(senders.map(({ id, isWorkerShared = false }) => [id, isWorkerShared] as const));
  const copiesOf = byName(copies);
  const labels = new Map(queued.map((message) => [message.name, labelOf(message)] as const));
  return [...onChain].flatMap(([name, blocks]) => {
    const isShared = shared.get(blocks[0]?.sender ?? '');
    if (isShared === undefined || uncounted?.has(name) === true) return [];
    if (!isPostedTooOften(blocks, copiesOf.get(name) ?? [], isShared)) return [];
    return [`${labels.get(name) ?? name} was posted ${blocks.length} times: in block ${blockList(blocks)}`];
  });
}

/** Whether a copy's very bytes are in a block. */
function isIn(copy: Copy, onChain: ReadonlyMap<string, PostedMessage[]>): boolean {
  return (onChain.get(nameOf(copy)) ?? []).some(({ payload }) => equalBytes(payload, copy.payload));
}

function labelOf({ text, name }: Queued): string {
  return text === undefined ? name : `"${text}"`;
}

function lost(fate: 'taken back' | 'never came', history: string): string {
  return fate === 'taken back' ? `was taken back and never came again (${history})` : 'was queued and never arrived';
}

function whereOf(blocks: readonly PostedMessage[]): string {
  return blocks.length === 0 ? 'no block carries it' : `it is in block ${blockList(blocks)}`;
}

/** What was meant, by its text, and what was queued of it. */
function sentBy(senders: readonly SenderRecord[]): { meant: Map<string, Meant>; queued: Queued[] } {
  const meant = new Map<string, Meant>();
  const queued = new Map<string, Queued>();
  for (const { id: sender, entries } of senders)
    for (const entry of entries) {
      if (entry.event === 'meant') meant.set(entry.text, { sender, to: entry.to, place: meant.size });
      const own = entry.event === 'queued' ? meant.get(entry.text) : undefined;
      const [to, text] =
        entry.event === 'queued' ? [own?.to, entry.text] : ['to' in entry ? entry.to : undefined, undefined];
      if (to === undefined || !('nonce' in entry) || entry.nonce === undefined) continue;
      const name = nameOf({ sender, to, nonce: BigInt(entry.nonce) });
      const message = queued.get(name) ?? { name, to, text, failure: undefined };
      message.text ??= text;
      if (entry.event === 'failed') message.failure = entry.code;
      queued.set(name, message);
    }
  return { meant, queued: [...queued.values()] };
}
