import type { Hex } from '../../src/codec/index.ts';
import { completed } from './completed.ts';
import { displaced, type AccountUse, type FinalBlocks } from './displaced.ts';
import { Excuses } from './excuses.ts';
import { Gaps, type Span } from './gaps.ts';
import type { RecipientEntry, SenderEntry } from './ledger.ts';
import type { PostedCommand } from './truth.ts';

interface Sender extends AccountUse {
  readonly id: string;
  /** As of the evidence on messages. */
  readonly isWorkerShared?: boolean;
}

export interface CommandEvidence {
  readonly senders: readonly Sender[];
  readonly recipients: readonly { readonly id: Hex; readonly entries: readonly RecipientEntry[] }[];
  readonly commands: readonly PostedCommand[];
  /** The run has had states forgotten that a sender may not have read. Default false. */
  readonly hasForgotten?: boolean;
  /** As of the evidence on messages. */
  readonly finalBlocks?: FinalBlocks;
  /** As of the evidence on messages. */
  readonly mayMiss?: ReadonlyMap<Hex, readonly Span[]>;
}

export interface CommandVerdict {
  /** Sentences; none: the promises were kept. */
  readonly broken: readonly string[];
  readonly excused: Excuses;
}

/** A command as its sender wrote it down. */
interface Meant {
  readonly sender: string;
  readonly to: Hex;
  readonly text: string;
  /** Where states are gone, and others signed for its sequence too, nobody can know whether it came in. */
  readonly mayBeUncertain: boolean;
  /** By what the queue of its sender held after a crash. */
  readonly isNeverQueued: boolean;
  sendId: string | undefined;
  failure: string | undefined;
}

/** A command in the order of the chain. */
interface Placed {
  readonly text: string;
  readonly mayBeLate: boolean;
}

/** What was broken of what is promised of commands in Phala's form: posted once, and each posting handed out once. */
export function judgeCommands({
  senders,
  recipients,
  commands,
  finalBlocks = new Map(),
  hasForgotten = false,
  mayMiss,
}: CommandEvidence): CommandVerdict {
  const broken: string[] = [];
  const excused = new Excuses();
  const meant = senders.flatMap(({ id, entries, isWorkerShared = false }) =>
    meantBy({ sender: id, mayBeUncertain: hasForgotten && isWorkerShared }, entries),
  );
  const mayBeLate = new Set(
    senders.flatMap((sender) => displaced(sender, finalBlocks).map(({ messageId }) => messageId)),
  );
  for (const recipient of recipients) {
    const own = commands.filter(({ to }) => to === recipient.id);
    const heard = new Heard(recipient.entries, mayMiss?.get(recipient.id) ?? [], broken);
    const inBlocks = new Set(own.map(nameOf));
    for (const [name, text] of heard.texts)
      if (!inBlocks.has(name)) broken.push(`the command "${text}" was handed out, and no finalized block has it`);
    const missing = own.filter((posted) => !heard.texts.has(nameOf(posted)));
    for (const { block, id } of missing)
      if (!heard.isMissing(block)) broken.push(`the command ${id} of block ${block} was never handed out`);
    const inOrder = own.flatMap((posted): Placed[] => {
      const text = heard.texts.get(nameOf(posted));
      return text === undefined ? [] : [{ text, mayBeLate: mayBeLate.has(posted.id) }];
    });
    broken.push(...outOfOrder(meant, inOrder, excused));
    broken.push(...judgeTexts(meant, { recipient: recipient.id, heard, missing, excused }));
  }
  for (const { text, failure, mayBeUncertain } of meant) {
    if (failure === undefined) continue;
    if (mayBeUncertain && failure === 'fate-unknown')
      excused.add('failed: nobody can know whether it came in, since others used its sequence');
    else broken.push(`the command "${text}" failed with ${failure}`);
  }
  return { broken, excused };
}

function judgeTexts(
  meant: readonly Meant[],
  {
    recipient,
    heard,
    missing,
    excused,
  }: { recipient: Hex; heard: Heard; missing: readonly PostedCommand[]; excused: Excuses },
): string[] {
  const broken: string[] = [];
  const times = new Map<string, number>();
  for (const text of heard.texts.values()) times.set(text, (times.get(text) ?? 0) + 1);
  const own = meant.filter(({ to }) => to === recipient);
  const known = new Set(own.map(({ text }) => text));
  for (const [text, count] of times) {
    if (!known.has(text)) broken.push(`the command "${text}" was handed out, which nobody sent to ${recipient}`);
    if (count > 1) broken.push(`the command "${text}" was posted ${count} times`);
  }
  const hidden = new Map<string, number>();
  for (const { sender } of missing) hidden.set(sender, (hidden.get(sender) ?? 0) + 1);
  for (const { sender, text, sendId, failure, isNeverQueued } of own) {
    if (isNeverQueued && times.has(text))
      broken.push(`the command "${text}" was handed out, and its sender's queue never held it`);
    if (sendId === undefined || failure !== undefined || times.has(text)) continue;
    // Which text a block in a gap held nobody has read.
    const left = hidden.get(sender) ?? 0;
    hidden.set(sender, left - 1);
    if (left > 0) excused.add('is a command of blocks that were forgotten while its recipient was kept away');
    else broken.push(`the command "${text}" was queued, has not failed, and never arrived`);
  }
  return broken;
}

/** Of each sender those that have not failed, by their first postings in the order of the chain. */
function outOfOrder(meant: readonly Meant[], inOrder: readonly Placed[], excused: Excuses): string[] {
  const broken: string[] = [];
  const reached = new Map<string, number>();
  const seen = new Set<string>();
  for (const { text, mayBeLate } of inOrder) {
    if (seen.has(text)) continue;
    seen.add(text);
    const place = meant.findIndex((each) => each.text === text);
    const { sender, failure } = meant[place] ?? {};
    if (sender === undefined || failure !== undefined) continue;
    const isLate = place < (reached.get(sender) ?? -1);
    if (isLate && mayBeLate) excused.add('came late: a reorg took its block, and others post as its account');
    else if (isLate) broken.push(`the command "${text}" came in after a later one of its sender`);
    reached.set(sender, Math.max(place, reached.get(sender) ?? -1));
  }
  return broken;
}

function meantBy(by: Pick<Meant, 'sender' | 'mayBeUncertain'>, written: readonly SenderEntry[]): Meant[] {
  const { entries, neverQueued } = completed(written);
  const meant = new Map<string, Meant>();
  for (const entry of entries) {
    if (entry.event === 'command-meant') {
      const { to, text } = entry;
      const isNeverQueued = neverQueued.has(text);
      meant.set(text, { ...by, to, text, isNeverQueued, sendId: undefined, failure: undefined });
    }
    const message = entry.event === 'command-queued' ? meant.get(entry.text) : undefined;
    if (entry.event === 'command-queued' && message !== undefined) message.sendId = entry.sendId;
  }
  const all = [...meant.values()];
  for (const entry of entries) {
    const failed = entry.event === 'command-failed' ? all.find(({ sendId }) => sendId === entry.sendId) : undefined;
    if (entry.event === 'command-failed' && failed !== undefined) failed.failure = entry.code;
  }
  return all;
}

function nameOf({ block, id }: { readonly block: number; readonly id: Hex }): string {
  return `${block} ${id}`;
}

/** What one recipient was handed, checked as it is read. */
class Heard {
  /** By {@link nameOf} of the posting. */
  readonly texts = new Map<string, string>();
  readonly #gaps: Gaps;
  readonly #broken: string[];
  readonly #acknowledged = new Set<string>();
  /** Of the process that ran last: names of what it was handed, … */
  #sinceStart = new Set<string>();
  /** … and with their texts those that are not acknowledged. */
  readonly #open = new Map<string, string>();
  #isAtRest = false;
  /** The last block of which one was handed out. */
  #reached = 0;

  constructor(entries: readonly RecipientEntry[], mayMiss: readonly Span[], broken: string[]) {
    this.#broken = broken;
    this.#gaps = new Gaps(
      entries.filter((entry) => entry.event === 'command-gap'),
      mayMiss,
    );
    for (const { first, last } of this.#gaps.untrue())
      broken.push(`commands of blocks ${first} to ${last} were told to be missing, and were there to be read`);
    for (const entry of entries) this.#read(entry);
    this.#checkDone();
  }

  #read(entry: RecipientEntry): void {
    if (entry.event === 'started') {
      this.#sinceStart = new Set();
      this.#open.clear();
    }
    if (entry.event === 'at-rest') {
      this.#checkDone();
      this.#isAtRest = true;
    }
    if (entry.event === 'command-acknowledged') {
      this.#acknowledged.add(nameOf(entry));
      this.#open.delete(nameOf(entry));
    }
    if (entry.event === 'command') this.#take(entry);
  }

  #take(entry: Extract<RecipientEntry, { readonly event: 'command' }>): void {
    const { text, block } = entry;
    const name = nameOf(entry);
    const broken = this.#broken;
    if (this.#isAtRest) broken.push(`the command "${text}" came to a recipient that was done with all`);
    if (this.#sinceStart.has(name)) broken.push(`the command "${text}" was handed out twice in one run`);
    if (this.#acknowledged.has(name))
      broken.push(`the command "${text}" was handed out again after it was acknowledged`);
    this.#sinceStart.add(name);
    this.#open.set(name, text);
    if (this.texts.has(name)) return;
    if (block < this.#reached) broken.push(`the command "${text}" was handed out after one of a later block`);
    this.#reached = Math.max(this.#reached, block);
    this.texts.set(name, text);
  }

  /** What the process that ran last was handed. */
  #checkDone(): void {
    for (const text of this.#open.values())
      this.#broken.push(`the command "${text}" was handed out and never acknowledged`);
    this.#open.clear();
  }

  isMissing(block: number): boolean {
    return this.#gaps.isMissing(block);
  }
}
