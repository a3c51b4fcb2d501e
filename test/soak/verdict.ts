import type { Hex } from '../../src/codec/index.ts';
import { displaced, type AccountUse, type FinalBlocks } from './displaced.ts';
import { Gaps, type Span } from './gaps.ts';
import type { RecipientEntry } from './ledger.ts';
import type { PostedMessage } from './truth.ts';

export interface SenderRecord extends AccountUse {
  /** As the truth names it: `worker 0x…` or `account 0x…`. */
  readonly id: string;
}

export interface RecipientRecord {
  readonly id: Hex;
  readonly finality: 'finalized' | 'best';
  readonly entries: readonly RecipientEntry[];
}

export interface Evidence {
  readonly senders: readonly SenderRecord[];
  readonly recipients: readonly RecipientRecord[];
  readonly posted: readonly PostedMessage[];
  /** Default: none, so that no message may lose its place by a reorg. */
  readonly finalBlocks?: FinalBlocks;
  /** How often the run itself posted a message another time, by {@link nameOf} of it. */
  readonly reposted: ReadonlyMap<string, number>;
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

interface Meant {
  readonly sender: string;
  readonly to: Hex;
  readonly place: number;
  nonce: bigint | undefined;
  failure: string | undefined;
}

export type NamedMessage = Pick<PostedMessage, 'sender' | 'to' | 'nonce'>;

/** What tells a message from all others, whatever key it is sealed to. */
export function nameOf({ sender, to, nonce }: NamedMessage): string {
  return `${sender} → ${to} ${nonce ?? 'without a nonce'}`;
}

/** Holds the ledgers of both sides against each other and against the blocks. */
export function judge({ senders, recipients, posted, reposted, mayMiss, ...more }: Evidence): Verdict {
  const { relayed, unordered = new Set(), mayFailWith = new Set(), finalBlocks = new Map<number, Hex>() } = more;
  const broken: string[] = [];
  const meant = meantBy(senders);
  const onChain = new Map<string, PostedMessage[]>();
  for (const message of posted) {
    const name = nameOf(message);
    onChain.set(name, [...(onChain.get(name) ?? []), message]);
  }
  const mayBeLate = new Set(
    senders.flatMap((sender) =>
      displaced(sender, finalBlocks).flatMap(({ to, nonce }) =>
        nonce === undefined ? [] : [nameOf({ sender: sender.id, to, nonce: BigInt(nonce) })],
      ),
    ),
  );
  let delivered = 0;
  let missedByGap = 0;
  for (const recipient of recipients) {
    const blocksOf = (name: string): PostedMessage[] =>
      (reposted.get(name) ?? 0) > 0 ? (onChain.get(name) ?? []) : [];
    const told = { meant, unordered: new Set([...unordered, ...(relayed ?? [])]), mayBeLate, repostedIn: blocksOf };
    const seen = new Deliveries(recipient, { ...told, mayMiss: mayMiss?.get(recipient.id) ?? [] }, broken);
    delivered += seen.count;
    for (const { text, name, isToldFinal } of seen.held()) {
      if (!onChain.has(name) && relayed?.has(text) !== true)
        broken.push(`"${text}" was delivered, was not taken back, and is in no finalized block`);
      if (!isToldFinal)
        broken.push(`"${text}" was delivered early and never told to be final (${seen.historyOf(text)})`);
    }
    for (const [text, message] of meant) {
      if (message.to !== recipient.id || message.nonce === undefined || message.failure !== undefined) continue;
      const fate = seen.fateOf(text);
      if (fate === 'held') continue;
      const blocks = onChain.get(nameOf(message)) ?? [];
      if (blocks.length > 0 && blocks.every(({ block }) => seen.isMissing(block))) missedByGap++;
      else
        broken.push(
          `"${text}" was ${fate === 'taken back' ? `taken back and never came again (${seen.historyOf(text)})` : 'queued and never arrived'}: ${blocks.length === 0 ? 'no block carries it' : `it is in block ${blockList(blocks)}`}`,
        );
    }
  }
  for (const [text, message] of meant) {
    if (message.nonce === undefined) continue;
    const name = nameOf(message);
    if (message.failure !== undefined && !mayFailWith.has(message.failure))
      broken.push(`"${text}" failed with ${message.failure}`);
    const times = (onChain.get(name)?.length ?? 0) - (reposted.get(name) ?? 0);
    if (message.failure !== undefined && times > 0)
      broken.push(`"${text}" was given up [${message.failure}] and is in a block`);
    if (times > 1) broken.push(`"${text}" was posted ${times} times: in block ${blockList(onChain.get(name) ?? [])}`);
  }
  const all = [...meant.values()];
  const dead = recipients.flatMap(({ entries }) => entries.filter(({ event }) => event === 'dead')).length;
  return { broken, queued: all.filter(({ nonce }) => nonce !== undefined).length, delivered, missedByGap, dead };
}

function blockList(posted: readonly PostedMessage[]): string {
  return posted.map(({ block }) => block).join(', ');
}

function meantBy(senders: readonly SenderRecord[]): Map<string, Meant> {
  const meant = new Map<string, Meant>();
  for (const { id, entries } of senders) {
    const byNonce = new Map<string, Meant>();
    for (const entry of entries) {
      if (entry.event === 'meant')
        meant.set(entry.text, { sender: id, to: entry.to, place: meant.size, nonce: undefined, failure: undefined });
      if (entry.event === 'queued') {
        const message = meant.get(entry.text);
        if (message === undefined) continue;
        message.nonce = BigInt(entry.nonce);
        byNonce.set(`${message.to} ${entry.nonce}`, message);
      }
      if (entry.event === 'failed') {
        const message = byNonce.get(`${entry.to} ${entry.nonce}`);
        if (message !== undefined) message.failure = entry.code;
      }
    }
  }
  return meant;
}

interface Told {
  readonly meant: ReadonlyMap<string, Meant>;
  /** The two paths do not wait for each other. */
  readonly unordered: ReadonlySet<string>;
  /** Names of messages that a reorg may have put behind later ones. */
  readonly mayBeLate: ReadonlySet<string>;
  /** Where a message is that the run itself posted again, in the order of the chain; of others none. */
  readonly repostedIn: (name: string) => readonly PostedMessage[];
  readonly mayMiss: readonly Span[];
}

/** The first time that a message was handed out. */
interface First {
  readonly text: string;
  readonly sender: string;
  readonly place: number;
  readonly mayBeLate: boolean;
}

/** What one recipient was handed, checked as it is read. */
class Deliveries {
  count = 0;
  readonly #handed = new Map<string, { readonly id: Hex; readonly name: string }>();
  readonly #retracted = new Set<Hex>();
  /** All that were handed out, under whatever id. */
  readonly #ids = new Set<Hex>();
  /** Handed out before they were final. */
  readonly #early = new Set<Hex>();
  /** Told to be final since they were last taken back. */
  readonly #final = new Set<Hex>();
  readonly #gaps: Gaps;
  readonly #entries: readonly RecipientEntry[];

  constructor({ id, finality, entries }: RecipientRecord, told: Told, broken: string[]) {
    const { meant, unordered, mayBeLate, repostedIn, mayMiss } = told;
    this.#entries = entries;
    this.#gaps = new Gaps(
      entries.filter((entry) => entry.event === 'gap'),
      mayMiss,
    );
    for (const { first, last } of this.#gaps.untrue())
      broken.push(`blocks ${first} to ${last} were told to be missing, and were there to be read`);
    const firsts: First[] = [];
    /** Taken back at any time: a reorg may bring a later message back first. */
    const everRetracted = new Set<string>();
    const acknowledged = new Set<Hex>();
    let starts = 0;
    let sinceStart = new Set<string>();
    let finalSinceStart = new Set<Hex>();
    for (const entry of entries) {
      switch (entry.event) {
        case 'started':
          starts += 1;
          sinceStart = new Set();
          finalSinceStart = new Set();
          break;
        case 'acknowledged':
          acknowledged.add(entry.id);
          break;
        case 'retracted':
          if (finality === 'finalized') broken.push(`a finalized message was taken back: ${entry.id}`);
          // It may have died right before it handed it out.
          if (!this.#ids.has(entry.id) && starts <= 1)
            broken.push(`${entry.id} was told to be taken back and was never handed out`);
          if (finalSinceStart.has(entry.id)) broken.push(`${entry.id} was taken back after it was told to be final`);
          this.#retracted.add(entry.id);
          this.#final.delete(entry.id);
          for (const [text, { id: handed }] of this.#handed) if (handed === entry.id) everRetracted.add(text);
          break;
        case 'reinstated':
          this.#retracted.delete(entry.id);
          break;
        case 'finalized': {
          const wrong = this.#wronglyFinal(entry.id, finality, finalSinceStart);
          if (wrong !== undefined) broken.push(`${entry.id} was told to be final ${wrong}`);
          finalSinceStart.add(entry.id);
          this.#final.add(entry.id);
          break;
        }
        // Commands have a judge of their own.
        case 'dead':
        case 'command':
        case 'command-acknowledged':
        case 'command-gap':
        case 'gap':
          break;
        case 'delivered': {
          const { text, block } = entry;
          this.#ids.add(entry.id);
          if (finality === 'finalized' && block !== undefined && this.#gaps.isTold(block))
            broken.push(`"${text}" was delivered of block ${block}, which was told to be missing`);
          if (!entry.isFinal && finality === 'finalized')
            broken.push(`"${text}" was delivered before its block was final`);
          else if (!entry.isFinal) {
            if (this.#final.has(entry.id))
              broken.push(`"${text}" was delivered as early after it was told to be final`);
            this.#early.add(entry.id);
          }
          const message = meant.get(text);
          if (message?.to !== id || message.sender !== `${entry.fromKind} ${entry.from}`) {
            broken.push(`${id} was handed "${text}" of ${entry.fromKind} ${entry.from}, which nobody sent to it`);
            break;
          }
          const earlier = this.#handed.get(text);
          const wasTakenBack = earlier !== undefined && this.#retracted.delete(earlier.id);
          if (sinceStart.has(text) && !wasTakenBack) broken.push(`"${text}" was delivered twice in one run`);
          if (wasTakenBack) acknowledged.delete(earlier.id);
          // It comes as what it is now, and a notice would tell nothing new.
          if (wasTakenBack && entry.isFinal) this.#early.delete(earlier.id);
          if (earlier !== undefined && acknowledged.has(earlier.id))
            broken.push(`"${text}" was delivered again after it was acknowledged`);
          sinceStart.add(text);
          const { sender } = message;
          const name = nameOf({ sender, to: id, nonce: BigInt(entry.nonce) });
          this.#handed.set(text, { id: entry.id, name });
          if (earlier !== undefined) break;
          this.count++;
          if (unordered.has(text)) break;
          // What was posted again comes late to whom a gap hid its own block.
          const [own] = repostedIn(name);
          if (own !== undefined && this.isMissing(own.block)) break;
          firsts.push({ text, sender, place: message.place, mayBeLate: mayBeLate.has(name) });
        }
      }
    }
    broken.push(...outOfOrder(firsts.filter(({ text }) => !everRetracted.has(text))));
  }

  /** What was handed out and not taken back, with its names; of what was early, whether it is known to be final. */
  held(): { readonly text: string; readonly name: string; readonly isToldFinal: boolean }[] {
    return [...this.#handed]
      .filter(([, { id }]) => !this.#retracted.has(id))
      .map(([text, { id, name }]) => ({ text, name, isToldFinal: !this.#early.has(id) || this.#final.has(id) }));
  }

  /** undefined: there is nothing wrong with it. What a crash kept from being done with is told again by the next run. */
  #wronglyFinal(id: Hex, finality: 'finalized' | 'best', sinceStart: ReadonlySet<Hex>): string | undefined {
    if (finality === 'finalized') return 'to who gets nothing else';
    if (!this.#ids.has(id)) return 'and was never handed out';
    if (this.#retracted.has(id)) return 'after it was taken back';
    return sinceStart.has(id) ? 'twice in one run' : undefined;
  }

  fateOf(text: string): 'held' | 'taken back' | 'never came' {
    const handed = this.#handed.get(text);
    if (handed === undefined) return 'never came';
    return this.#retracted.has(handed.id) ? 'taken back' : 'held';
  }

  /** What its recipient wrote of it, and when it was started anew. */
  historyOf(text: string): string {
    const ids = new Set(this.#entries.flatMap((entry) => ('text' in entry && entry.text === text ? [entry.id] : [])));
    const ofIt = this.#entries.filter((entry) => entry.event === 'started' || ('id' in entry && ids.has(entry.id)));
    return ofIt.map((entry) => ('id' in entry ? `${entry.event} ${entry.id.slice(0, 8)}` : entry.event)).join(', ');
  }

  isMissing(block: number): boolean {
    return this.#gaps.isMissing(block);
  }
}

function outOfOrder(firsts: readonly First[]): string[] {
  const broken: string[] = [];
  const reached = new Map<string, First>();
  for (const first of firsts) {
    const last = reached.get(first.sender);
    const isLate = last !== undefined && first.place < last.place;
    if (isLate && !first.mayBeLate)
      broken.push(`"${first.text}" was delivered after a later one of its sender, "${last.text}"`);
    if (!isLate) reached.set(first.sender, first);
  }
  return broken;
}
