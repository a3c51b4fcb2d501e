import type { Hex } from '../../src/codec/index.ts';
import type { Excuses } from './excuses.ts';
import { Gaps, type Span } from './gaps.ts';
import type { RecipientEntry } from './ledger.ts';
import { Order, type OrderTold } from './order.ts';
import { nameOf } from './postings.ts';
import type { PostedMessage } from './truth.ts';

export interface RecipientRecord {
  readonly id: Hex;
  readonly finality: 'finalized' | 'best';
  readonly entries: readonly RecipientEntry[];
}

/** What its sender was about to queue. */
export interface Meant {
  readonly sender: string;
  readonly to: Hex;
  readonly place: number;
}

export interface Told extends OrderTold {
  readonly meant: ReadonlyMap<string, Meant>;
  /** Where a message is that the run itself posted again, in the order of the chain; of others none. */
  readonly repostedIn: (name: string) => readonly PostedMessage[];
  readonly mayMiss: readonly Span[];
}

type Of<Event extends RecipientEntry['event']> = Extract<RecipientEntry, { readonly event: Event }>;

/** What was told since the process was started. */
class Run {
  readonly texts = new Set<string>();
  /** Of those that are not acknowledged, by their ids. */
  readonly open = new Map<Hex, string>();
  /** Handed out as final, or told to be. */
  readonly final = new Set<Hex>();
  readonly toldFinal = new Set<Hex>();
  readonly reinstated = new Set<Hex>();
  /** It was handed something that no process before it was. */
  hasNew = false;
}

/** What one recipient was handed, checked as it is read. */
export class Deliveries {
  count = 0;
  readonly #handed = new Map<string, { readonly id: Hex; readonly name: string }>();
  readonly #named = new Map<string, Hex>();
  readonly #retracted = new Set<Hex>();
  readonly #acknowledged = new Set<Hex>();
  /** Told to be dead letters since they were handed out. */
  readonly #dead = new Set<Hex>();
  /** All that were handed out, under whatever id. */
  readonly #ids = new Set<Hex>();
  /** Handed out before they were final. */
  readonly #early = new Set<Hex>();
  /** Told to be final since they were last taken back. */
  readonly #final = new Set<Hex>();
  /** By sender. */
  readonly #orders = new Map<string, Order>();
  readonly #gaps: Gaps;
  readonly #record: RecipientRecord;
  readonly #told: Told;
  readonly #broken: string[];
  readonly #excused: Excuses;
  #starts = 0;
  #run = new Run();
  #isAtRest = false;

  constructor(record: RecipientRecord, told: Told, broken: string[], excused: Excuses) {
    this.#record = record;
    this.#told = told;
    this.#broken = broken;
    this.#excused = excused;
    this.#gaps = new Gaps(
      record.entries.filter((entry) => entry.event === 'gap'),
      told.mayMiss,
    );
    for (const { first, last } of this.#gaps.untrue())
      broken.push(`blocks ${first} to ${last} were told to be missing, and were there to be read`);
    for (const entry of record.entries) this.#read(entry);
    this.#checkDone();
  }

  /** Commands have a judge of their own. */
  #read(entry: RecipientEntry): void {
    if (entry.event === 'started') {
      this.#starts += 1;
      this.#run = new Run();
    }
    if (entry.event === 'at-rest') {
      this.#checkDone();
      this.#isAtRest = true;
    }
    if (this.#isAtRest && isGiven(entry))
      this.#broken.push(`${whatOf(entry)} came to a recipient that was done with all`);
    if (entry.event === 'acknowledged') this.#acknowledged.add(entry.id);
    if (entry.event === 'acknowledged' || entry.event === 'handled') this.#run.open.delete(entry.id);
    // Of one that others posted, too, its id is told.
    if (entry.event === 'dead' && entry.code !== 'sender-not-proven') this.#dead.add(entry.id);
    if (entry.event === 'delivered') this.#deliver(entry);
    if (entry.event === 'retracted') this.#retract(entry.id);
    if (entry.event === 'reinstated') this.#reinstate(entry.id);
    if (entry.event === 'finalized') this.#finalize(entry.id);
  }

  /** What the process that ran last was handed. */
  #checkDone(): void {
    for (const [id, text] of this.#run.open)
      if (!this.#retracted.has(id)) this.#broken.push(`"${text}" was delivered and never acknowledged`);
    this.#run.open.clear();
  }

  #retract(id: Hex): void {
    if (this.#record.finality === 'finalized') this.#broken.push(`a finalized message was taken back: ${id}`);
    // An earlier process may have died right before it handed it out; the next one tells of that before all that is new.
    if (!this.#ids.has(id) && (this.#starts <= 1 || this.#run.hasNew))
      this.#broken.push(`${id} was told to be taken back and was never handed out`);
    if (this.#run.final.has(id)) this.#broken.push(`${id} was taken back after it was told to be final`);
    this.#retracted.add(id);
    this.#final.delete(id);
    this.#run.reinstated.delete(id);
    for (const order of this.#orders.values()) order.takeBack(id);
  }

  #reinstate(id: Hex): void {
    const wrong = this.#wrong(id, this.#run.reinstated);
    if (wrong !== undefined) this.#broken.push(`${id} was told to be back ${wrong}`);
    this.#run.reinstated.add(id);
    this.#retracted.delete(id);
  }

  #finalize(id: Hex): void {
    const wrong = this.#retracted.has(id) ? 'after it was taken back' : this.#wrong(id, this.#run.toldFinal);
    if (wrong !== undefined) this.#broken.push(`${id} was told to be final ${wrong}`);
    this.#run.toldFinal.add(id);
    this.#run.final.add(id);
    this.#final.add(id);
  }

  /** undefined: there is nothing wrong with it. What a crash kept from being done with is told again by the next run. */
  #wrong(id: Hex, told: ReadonlySet<Hex>): string | undefined {
    if (this.#record.finality === 'finalized') return 'to who gets nothing else';
    if (!this.#ids.has(id)) return 'and was never handed out';
    return told.has(id) ? 'twice in one run' : undefined;
  }

  #deliver(entry: Of<'delivered'>): void {
    const { text, id } = entry;
    const broken = this.#broken;
    this.#ids.add(id);
    this.#checkFinality(entry);
    const message = this.#told.meant.get(text);
    if (message?.to !== this.#record.id || message.sender !== `${entry.fromKind} ${entry.from}`) {
      broken.push(
        `${this.#record.id} was handed "${text}" of ${entry.fromKind} ${entry.from}, which nobody sent to it`,
      );
      return;
    }
    const earlier = this.#handed.get(text);
    // Of what its handler had not begun it may be told before.
    const wasGone = this.#retracted.delete(id);
    const wasTakenBack = earlier !== undefined && (this.#retracted.delete(earlier.id) || wasGone);
    if (this.#run.texts.has(text) && !wasTakenBack) broken.push(`"${text}" was delivered twice in one run`);
    if (wasTakenBack) {
      this.#acknowledged.delete(earlier.id);
      this.#run.open.delete(earlier.id);
    }
    // It comes as what it is now, and a notice would tell nothing new.
    const isAnew = this.#dead.delete(id) || wasTakenBack;
    if (isAnew && entry.isFinal && earlier !== undefined) this.#early.delete(earlier.id);
    if (earlier !== undefined && this.#acknowledged.has(earlier.id))
      broken.push(`"${text}" was delivered again after it was acknowledged`);
    this.#run.texts.add(text);
    this.#run.open.set(id, text);
    const name = nameOf({ sender: message.sender, to: this.#record.id, nonce: BigInt(entry.nonce) });
    this.#handed.set(text, { id, name });
    this.#named.set(name, id);
    if (earlier !== undefined) return;
    this.#run.hasNew = true;
    this.count++;
    // What was posted again comes late to whom a gap hid its own block.
    const [own] = this.#told.repostedIn(name);
    const isOfCopy = own !== undefined && this.isMissing(own.block);
    const later = this.#orderOf(message.sender).take({ text, id, name, place: message.place, isOfCopy });
    if (later !== undefined) broken.push(`"${text}" was delivered after a later one of its sender, "${later}"`);
  }

  #checkFinality({ text, id, block, isFinal }: Of<'delivered'>): void {
    const isEarlyBird = this.#record.finality === 'best';
    if (!isEarlyBird && block !== undefined && this.#gaps.isTold(block))
      this.#broken.push(`"${text}" was delivered of block ${block}, which was told to be missing`);
    if (isFinal) {
      this.#run.final.add(id);
      return;
    }
    if (!isEarlyBird) this.#broken.push(`"${text}" was delivered before its block was final`);
    else if (this.#final.has(id)) this.#broken.push(`"${text}" was delivered as early after it was told to be final`);
    if (isEarlyBird) this.#early.add(id);
  }

  #orderOf(sender: string): Order {
    const order = this.#orders.get(sender) ?? new Order(this.#told, this.#excused);
    this.#orders.set(sender, order);
    return order;
  }

  /** What was handed out and not taken back, with its names; of what was early and is no dead letter, whether it is known to be final. */
  held(): { readonly text: string; readonly name: string; readonly isToldFinal: boolean }[] {
    return [...this.#handed]
      .filter(([, { id }]) => !this.#retracted.has(id))
      .map(([text, { id, name }]) => ({ text, name, isToldFinal: this.#isKnown(id) }));
  }

  #isKnown(id: Hex): boolean {
    return !this.#early.has(id) || this.#final.has(id) || this.#dead.has(id);
  }

  /** What its recipient wrote of it, and when it was started anew. */
  historyOf(text: string): string {
    const ids = new Set(
      this.#record.entries.flatMap((entry) => ('text' in entry && entry.text === text ? [entry.id] : [])),
    );
    const ofIt = this.#record.entries.filter(
      (entry) => entry.event === 'started' || ('id' in entry && ids.has(entry.id)),
    );
    return ofIt.map((entry) => ('id' in entry ? `${entry.event} ${entry.id.slice(0, 8)}` : entry.event)).join(', ');
  }

  fateOf(name: string): 'held' | 'taken back' | 'never came' {
    const id = this.#named.get(name);
    if (id === undefined) return 'never came';
    return this.#retracted.has(id) ? 'taken back' : 'held';
  }

  isMissing(block: number): boolean {
    return this.#gaps.isMissing(block);
  }
}

type Given = Of<'delivered' | 'retracted' | 'reinstated' | 'finalized' | 'dead' | 'gap'>;

function isGiven(entry: RecipientEntry): entry is Given {
  return ['delivered', 'retracted', 'reinstated', 'finalized', 'dead', 'gap'].includes(entry.event);
}

function whatOf(entry: Given): string {
  return entry.event === 'gap' ? `a gap of ${entry.first} to ${entry.last}` : `${entry.event} ${entry.id}`;
}
