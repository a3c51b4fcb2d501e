import { isDeepStrictEqual } from 'node:util';
import type { BlockNumber } from '../../../src/chain/index.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { isLocalFailure, isRelayError } from '../../../src/errors/index.ts';
import { createInbox, type Inbox } from '../../../src/inbox/index.ts';
import type { Life } from '../../support/simulation/life.ts';
import { Lives, type Parts } from '../../support/simulation/lives.ts';
import type { Death } from '../../support/simulation/mortal-store.ts';
import type { SimulatedChain } from '../../support/simulation/simulated-chain.ts';
import { leftIn } from '../left-in.ts';
import { Consumer, type ConsumerKind } from './consumer.ts';
import { judgeInbox } from './judgement.ts';
import { LetterBox } from './letter-box.ts';
import { Recipient } from './recipient.ts';
import { Senders, type Kind, type Sealed } from './senders.ts';
import { Stranded } from './stranded.ts';

/** Of a store. */
const everything = { from: new Uint8Array(), to: Uint8Array.of(0xff) };

/** Between two looks at the clock. */
const readingMs = 90;
/** Longer than a turn of the timers. */
const turnMs = 3;
/** Longer than acknowledgements wait for company. */
const companyMs = 25;
/** Messages of which acknowledgements wait for company. */
const many = 64;

/** The real inbox over a chain in memory, with a consumer that writes down what it was handed, as its own database would. */
export class InboxWorld {
  readonly lives: Lives;
  readonly #finality: 'finalized' | 'best';
  readonly #recipient = new Recipient();
  readonly #senders: Senders;
  readonly #consumer: Consumer;
  readonly #letterBox: LetterBox;
  /** Texts. */
  readonly #relayed = new Set<string>();
  /** Starts after a process died between a node's making up blocks and that being found out (docs/inbox.md). */
  #stranded = 0;
  #isReading = true;
  /** How many messages were sealed to keys that are erased: the oldest. */
  #sealedToErased = 0;
  readonly #broken: string[] = [];
  #inbox: Inbox | undefined;
  #life: Life | undefined;
  #ms = Date.now();

  constructor(finality: 'finalized' | 'best', death?: Death, consumer: ConsumerKind = 'acknowledges') {
    this.#finality = finality;
    this.#consumer = new Consumer(consumer);
    this.lives = new Lives(death, (parts) => {
      this.#begin(parts);
    });
    const { vault } = this.#recipient;
    this.#senders = new Senders(this.lives.chain, vault);
    this.#letterBox = new LetterBox(this.lives.disk, vault);
  }

  get messages(): number {
    return this.#senders.sealed.length;
  }

  #begin({ life, chain, store }: Parts): void {
    const reading = { finality: this.#finality, from: 1, onGap: 'skip' } as const;
    // Reading takes its time: of a backlog some is written while the rest is read.
    const now = (): number => (this.#ms += readingMs);
    const { vault } = this.#recipient;
    const inbox = createInbox({ chain, vault, store, now, ...reading, ...this.#consumer.options });
    this.#inbox = inbox;
    this.#life = life;
    // Who runs it starts it again.
    const end = (error: unknown): void => {
      if (isRelayError(error, 'cursor-not-on-chain')) this.#strand(String(error.details?.['hash']));
      else life.end();
    };
    this.#consumer.consume(inbox, life, end);
    if (this.#isReading) inbox.start().catch(end);
  }

  /** It has read up to a block that is not there. Who runs it knows that it does not help to start it again. */
  #strand(hash: string): void {
    if (!this.lives.chain.wasMadeUp(hash as Hex)) this.#broken.push(`the chain is said not to have block ${hash}`);
    this.#stranded += 1;
    this.lives.giveUp();
  }

  /** Seals a message and has it wait in the pool. */
  async send(kind: Kind): Promise<void> {
    this.#senders.post(await this.#senders.seal(kind));
  }

  /** A message that comes off chain, and on chain later. */
  async relay(alsoOnChain: boolean): Promise<void> {
    const sealed = await this.#senders.seal('worker');
    if (alsoOnChain) this.#senders.post(sealed);
    await this.#bring(sealed);
  }

  /** What was sent before, and is in a block by now or waits for one, comes off chain too, with its nonce. */
  async relayToo(which: number, isAnew: boolean): Promise<void> {
    const those = this.#senders.sealed.slice(this.#sealedToErased).filter(({ kind }) => kind === 'worker');
    const sealed = those[which % Math.max(those.length, 1)];
    if (sealed === undefined) return;
    await this.#bring(sealed, isAnew ? await this.#senders.sealAnew(sealed) : sealed.envelope);
  }

  async #bring(sealed: Sealed, envelope = sealed.envelope): Promise<void> {
    this.#relayed.add(sealed.text);
    const life = this.#life;
    // Nobody says of what its vault does not open now that it has come, unless it is kept.
    const keepDead = !this.#recipient.isOpening;
    void this.#inbox?.accept(envelope, { keepDead }).then(
      () => {
        if (life?.isOver === false) this.#senders.taken(sealed);
      },
      (error: unknown) => {
        if (!isLocalFailure(error)) throw error;
      },
    );
    await this.lives.settle();
  }

  /** The node makes up blocks of what waits; or has done so by the time that the inbox comes back. */
  async makeUp(count: number, isAway: boolean): Promise<void> {
    if (isAway) await this.lives.stayAway(true);
    await this.lives.makeUp(count);
  }

  /** Messages that are posted and final while the inbox is away, so many to a block. */
  async backlog(count: number, each: number): Promise<void> {
    await this.lives.stayAway(true);
    for (let n = 1; n <= count; n++) {
      await this.send('account');
      if (n % each === 0 || n === count) this.lives.chain.build();
    }
    this.lives.chain.finalize(0);
    await this.lives.stayAway(false);
  }

  /** An earlier message is posted another time, by its sender and by others, and garbage. */
  again(which: number): void {
    const those = this.#senders.sealed.slice(this.#sealedToErased);
    const earlier = those[which % Math.max(those.length, 1)];
    if (earlier !== undefined) this.#senders.postAgain(earlier.envelope);
  }

  /** Others post a message in the name of its sender before that one does. */
  async impersonate(kind: Kind): Promise<void> {
    const sealed = await this.#senders.seal(kind);
    this.#senders.postAsOthers(sealed.envelope);
    this.#senders.post(sealed);
  }

  /**
   * While a commit is on its way to the disk: something happens to the chain, and then the consumer is done with what it held
   * back. So the acknowledgement is beside what the chain brings.
   */
  async acknowledgeLate(happens: (chain: SimulatedChain) => void): Promise<void> {
    if (!this.lives.isAlive) return;
    await this.lives.holdingCommits(async () => {
      // Something to commit.
      await this.relay(false);
      happens(this.lives.chain);
      await this.lives.quiet();
      this.#consumer.goOn();
      await this.lives.quiet();
    });
  }

  /** Of what the consumer holds back it is done with so many, while more is read and written. */
  async acknowledgeSome(count: number): Promise<void> {
    this.#consumer.goOn(count);
    await this.lives.settle();
  }

  /** The consumer acknowledges at once, or holds back until it is told to. */
  async hold(isHolding: boolean): Promise<void> {
    this.#consumer.hold(isHolding);
    await this.lives.settle();
  }

  /** Of the next deliveries: the consumer is not done with so many. */
  fail(count: number): void {
    this.#consumer.fail(count);
  }

  /** Its vault opens nothing, or does again. */
  async opens(isOpening: boolean): Promise<void> {
    this.#recipient.isOpening = isOpening;
    await this.lives.settle();
  }

  /** What its consumer is not done with is handed out anew, and does not open: dead letters, whose nonces are their own. */
  async bury(): Promise<void> {
    this.#recipient.isOpening = false;
    await this.lives.kill();
  }

  /** Dead letters at these places, and numbers that none has, are tried again: by the inbox itself, or by another process. */
  async retry(places: readonly number[], byItself: boolean): Promise<void> {
    const numbers = await this.#letterBox.toTry(places);
    if (byItself)
      void this.#inbox?.retry(numbers).catch((error: unknown) => {
        if (!isLocalFailure(error)) throw error;
      });
    else await this.#letterBox.retry(numbers);
    await this.lives.settle();
  }

  /** Another process removes dead letters. */
  async discard(places: readonly number[]): Promise<void> {
    await this.#letterBox.discard(places);
    await this.lives.settle();
  }

  async rotate(): Promise<void> {
    await this.#recipient.rotate();
  }

  /** All comes that is on its way, and keys of before are erased where nothing needs them. */
  async eraseOldKeys(): Promise<void> {
    await this.opens(true);
    await this.lives.stayAway(false);
    await this.hold(false);
    await this.lives.build(false);
    await this.lives.finalize(0);
    const { chain } = this.lives;
    if (this.#stranded > 0 || chain.pool.size > 0 || !(await this.#letterBox.hasRead(chain.finalized.head))) return;
    const isMessage = (envelope: Uint8Array): boolean => this.#senders.textOf(envelope) !== undefined;
    if (await this.#letterBox.needs(await this.#recipient.oldKeys(), isMessage)) return;
    await this.#recipient.eraseOldKeys();
    this.#sealedToErased = this.messages;
  }

  /** Finalizes all there is and judges. */
  async end(): Promise<readonly string[]> {
    if (this.#stranded === 0) await this.#comeToRest();
    if (this.#stranded > 0) return this.#judgeStranded();
    const { chain, disk } = this.lives;
    // What is left would be told to the next one, and be gone.
    const left = await leftIn(disk);
    await this.#startOnceMore();
    this.lives.end();
    return [...left, ...(await this.#judge(chain.finalized.head.number)), ...(await leftIn(disk))];
  }

  async #comeToRest(): Promise<void> {
    await this.lives.stayAway(false);
    await this.hold(false);
    for (let n = 0; n < 3; n++) await this.lives.build(false);
    this.fail(0);
    await this.lives.finalize(0);
    await this.opens(true);
    const areLetters = await this.#letterBox.retryAll();
    // What it was not done with comes again, and what another process accepted.
    if (this.#consumer.hasLeft || areLetters) await this.lives.kill();
    await new Promise((resolve) => setTimeout(resolve, this.messages >= many ? companyMs : 0));
    await this.#standsStill();
  }

  async #startOnceMore(): Promise<void> {
    await this.lives.stayAway(true);
    this.#consumer.rest();
    await this.lives.stayAway(false);
    await this.#standsStill();
  }

  /** What waits for room has it after a turn of the timers. */
  async #standsStill(): Promise<void> {
    const { ledger } = this.#consumer;
    for (let before = -1; before < ledger.length;) {
      before = ledger.length;
      await new Promise((resolve) => setTimeout(resolve, turnMs));
      await this.lives.settle();
    }
  }

  async #judge(through: BlockNumber): Promise<string[]> {
    const { chain, disk } = this.lives;
    const broken = await judgeInbox({
      ...{ chain, disk, through, finality: this.#finality, recipient: this.#recipient.vault.identity },
      ...{ senders: this.#senders, ledger: this.#consumer.ledger, relayed: this.#relayed },
      letterBox: this.#letterBox,
    });
    return [...this.#broken, ...broken];
  }

  /** What came before the blocks that are not there is held to all that is promised. It ends again at each start, and changes nothing. */
  async #judgeStranded(): Promise<string[]> {
    const { chain, disk } = this.lives;
    await this.#handOutAll();
    const [all, starts] = [await disk.entries(everything), this.#stranded];
    this.#consumer.rest();
    await this.lives.stayAway(false);
    if (this.#stranded === starts) this.#broken.push('it went on from a block that is not there');
    if (!isDeepStrictEqual(await disk.entries(everything), all))
      this.#broken.push('it changed its store, and could not go on');
    const stranded = new Stranded(disk, chain);
    // What becomes of these nobody tells any more.
    for (const id of await stranded.early()) this.#consumer.ledger.push({ event: 'retracted', id });
    return [...(await this.#judge(await stranded.lastRead())), ...(await stranded.left())];
  }

  /** What lies in the store, to one that reads no block. */
  async #handOutAll(): Promise<void> {
    this.fail(0);
    this.#consumer.hold(false);
    this.#isReading = false;
    await this.lives.stayAway(false);
    await this.#standsStill();
    await this.lives.stayAway(true);
    this.#isReading = true;
  }
}
