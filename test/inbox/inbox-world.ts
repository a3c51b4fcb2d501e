import { isDeepStrictEqual } from 'node:util';
import { blake2b } from '@noble/hashes/blake2.js';
import { sealMessage } from '../../src/channel/index.ts';
import type { Account, MessageSender } from '../../src/chain/index.ts';
import { decodeEnvelope, equalBytes, toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { isLocalFailure, isRelayError } from '../../src/errors/index.ts';
import { createInbox, type Delivery, type Inbox, type InboxEvent, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore, type Entry } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import type { Span } from '../soak/gaps.ts';
import type { RecipientEntry, SenderEntry } from '../soak/ledger.ts';
import { nameOf } from '../soak/postings.ts';
import { judge } from '../soak/verdict.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { alice, bob, directoryOf } from '../support/entities.ts';
import { deadLettersOf } from '../support/inbox-probe.ts';
import { leftIn } from './left-in.ts';
import type { Life } from '../support/simulation/life.ts';
import { Lives, type Parts } from '../support/simulation/lives.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import type { SimulatedChain } from '../support/simulation/simulated-chain.ts';

type Kind = 'worker' | 'account';
/**
 * Acknowledges what it was handed, or has the inbox do so when its handler returns; or acknowledges, and is handed so few at a
 * time that others wait.
 */
export type Consumer = 'acknowledges' | 'handles' | 'is handed few at a time';

/** One sender alone has two of these. */
const few = { count: 4, bytes: 2 ** 20 };

const concurrency = 3;

/** Of a store. */
const everything = { from: new Uint8Array(), to: Uint8Array.of(0xff) };

/** Between two looks at the clock. */
const readingMs = 90;
/** Longer than a turn of the timers. */
const turnMs = 3;
/** Longer than acknowledgements wait for company. */
const companyMs = 25;

/** The real inbox over a chain in memory, with a consumer that writes down what it was handed, as its own database would. */
export class InboxWorld {
  readonly lives: Lives;
  readonly #finality: 'finalized' | 'best';
  readonly #sending = openMemoryStore();
  readonly #vault = createMemoryVault();
  readonly #sender = createMemoryVault();
  readonly #poster: Account = alice;
  readonly #received: RecipientEntry[] = [];
  readonly #sent: Record<Kind, SenderEntry[]> = { worker: [], account: [] };
  readonly #texts = new Map<string, string>();
  readonly #relayed = new Set<string>();
  readonly #envelopes: { readonly envelope: Uint8Array; readonly text: string }[] = [];
  readonly #heldBack: (() => Promise<void>)[] = [];
  readonly #consumer: Consumer;
  #isHolding = false;
  /** Of the next deliveries: with these the consumer is not done before it is started again. */
  #fails = 0;
  #hasLeft = false;
  /** Starts after a process died between a node's making up blocks and that being found out (docs/inbox.md). */
  #stranded = 0;
  readonly #broken: string[] = [];
  #inbox: Inbox | undefined;
  #life: Life | undefined;
  #count = 0;
  #ms = Date.now();

  constructor(finality: 'finalized' | 'best', death?: Death, consumer: Consumer = 'acknowledges') {
    this.#finality = finality;
    this.#consumer = consumer;
    this.lives = new Lives(death, (parts) => {
      this.#begin(parts);
    });
  }

  get messages(): number {
    return this.#count;
  }

  #begin({ life, chain, store }: Parts): void {
    const reading = { finality: this.#finality, from: 1, onGap: 'skip' } as const;
    // Reading takes its time: of a backlog some is written while the rest is read.
    const now = (): number => (this.#ms += readingMs);
    const bounds: Pick<InboxOptions, 'inFlight'> =
      this.#consumer === 'is handed few at a time' ? { inFlight: few } : {};
    const inbox = createInbox({ chain, vault: this.#vault, store, now, ...reading, ...bounds });
    this.#inbox = inbox;
    this.#life = life;
    this.#heldBack.length = 0;
    this.#received.push({ event: 'started' });
    // Who runs it starts it again.
    const end = (error: unknown): void => {
      if (isRelayError(error, 'cursor-not-on-chain')) this.#strand(String(error.details?.['hash']));
      else life.end();
    };
    if (this.#consumer === 'handles') void this.#handle(inbox, life).catch(end);
    else
      inbox.events$.subscribe({
        next: (event) => {
          if (!life.isOver) this.#write(life, event);
        },
        error: end,
      });
    inbox.start().catch(end);
  }

  /** It has read up to a block that is not there. Who runs it knows that it does not help to start it again. */
  #strand(hash: string): void {
    if (!this.lives.chain.wasMadeUp(hash as Hex)) this.#broken.push(`the chain is said not to have block ${hash}`);
    this.#stranded += 1;
    this.lives.giveUp();
  }

  /** Again where its handler has thrown. */
  async #handle(inbox: Inbox, life: Life): Promise<void> {
    const handler = async (delivery: Delivery): Promise<void> => {
      if (life.isOver) return;
      this.#note(delivery);
      if (this.#fails > 0) {
        this.#fails -= 1;
        throw new Error('the consumer can not');
      }
      if (this.#isHolding) await new Promise<void>((resolve) => this.#heldBack.push(async () => resolve()));
    };
    const onEvent = (event: InboxEvent): void => {
      if (!life.isOver) this.#write(life, event);
    };
    while (!life.isOver)
      try {
        await inbox.handle(handler, { concurrency, onEvent });
        return;
      } catch (error) {
        if (!isRelayError(error, 'handler-failed')) throw error;
        this.#received.push({ event: 'started' });
      }
  }

  /** Seals a message and has it wait in the pool. */
  async send(kind: Kind): Promise<void> {
    const { envelope } = await this.#seal(kind);
    this.#post(envelope, kind);
  }

  /** A message that comes off chain, and on chain later. */
  async relay(alsoOnChain: boolean): Promise<void> {
    const { envelope, text } = await this.#seal('worker');
    this.#relayed.add(text);
    if (alsoOnChain) this.#post(envelope, 'worker');
    const life = this.#life;
    void this.#inbox?.accept(envelope).then(
      () => {
        if (life?.isOver === false) this.#sent.worker.push({ event: 'queued', text, nonce: nonceOf(envelope) });
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

  /** Posts an earlier message another time, as its sender and as others, and garbage. */
  again(which: number): void {
    const earlier = this.#envelopes[which % Math.max(this.#envelopes.length, 1)];
    if (earlier === undefined) return;
    const { envelope } = earlier;
    this.#postAsOthers(envelope);
    this.#post(envelope, 'account');
    this.#post(envelope, 'worker');
    this.#post(envelope.slice(0, -1), 'account');
  }

  /** Others post a message in the name of its sender before that one does. */
  async impersonate(kind: Kind): Promise<void> {
    const { envelope } = await this.#seal(kind);
    this.#postAsOthers(envelope);
    this.#post(envelope, kind);
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
      for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
      await this.lives.quiet();
    });
  }

  /** Of what the consumer holds back it is done with so many, while more is read and written. */
  async acknowledgeSome(count: number): Promise<void> {
    for (const acknowledge of this.#heldBack.splice(0, count)) void acknowledge();
    await this.lives.settle();
  }

  /** The consumer acknowledges at once, or holds back until it is told to. */
  async hold(isHolding: boolean): Promise<void> {
    this.#isHolding = isHolding;
    if (!isHolding) for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
    await this.lives.settle();
  }

  /** Of the next deliveries: the consumer is not done with so many. */
  fail(count: number): void {
    this.#fails = count;
  }

  /** Finalizes all there is and judges. */
  async end(): Promise<readonly string[]> {
    if (this.#stranded > 0) return this.#brokenWhereStranded();
    await this.lives.stayAway(false);
    if (this.#stranded > 0) return this.#brokenWhereStranded();
    await this.hold(false);
    for (let n = 0; n < 3; n++) await this.lives.build(false);
    this.#fails = 0;
    await this.lives.finalize(0);
    // What it was not done with comes again.
    if (this.#hasLeft) await this.lives.kill();
    await new Promise((resolve) => setTimeout(resolve, this.#areMany ? companyMs : 0));
    await this.#standsStill();
    if (this.#stranded > 0) return this.#brokenWhereStranded();
    this.lives.end();
    const posted: PostedMessage[] = [];
    for (let number = 1; number <= this.lives.chain.finalized.head.number; number++)
      for (const { sender, payload } of this.lives.chain.at(number)?.messages ?? []) {
        const nonce = BigInt(nonceOf(payload));
        posted.push({ block: number, sender: senderOf(sender), to: this.#vault.identity, payload, nonce });
      }
    const verdict = judge({
      senders: (['worker', 'account'] as const).map((kind) => ({
        id: this.#nameOf(kind),
        entries: this.#entries(kind, posted),
      })),
      recipients: [{ id: this.#vault.identity, finality: this.#finality, entries: this.#received }],
      posted,
      // How often a message stands on the chain is not the inbox's doing.
      uncounted: new Set(posted.map(nameOf)),
      relayed: new Set([...this.#relayed, ...this.#believed()]),
      unordered: this.#takenBack(),
      mayMiss: new Map([[this.#vault.identity, this.#forgotten()]]),
    });
    return [
      ...this.#broken,
      ...verdict.broken,
      ...(await this.#brokenByLetters(posted)),
      ...(await leftIn(this.lives.disk)),
    ];
  }

  /** It ends again at each start, and changes nothing. */
  async #brokenWhereStranded(): Promise<string[]> {
    const all = (): Promise<Entry[]> => this.lives.disk.entries(everything);
    const before = await all();
    const ended = this.#stranded;
    await this.lives.stayAway(false);
    if (this.#stranded === ended) this.#broken.push('it went on from a block that is not there');
    if (!isDeepStrictEqual(await all(), before)) this.#broken.push('it changed its store, and could not go on');
    return this.#broken;
  }

  /** A reorg may bring these back in another order than the one in which they were handed out. */
  #takenBack(): ReadonlySet<string> {
    const ids = new Set(this.#received.flatMap((entry) => (entry.event === 'retracted' ? [entry.id] : [])));
    return new Set(
      this.#received.flatMap((entry) => (entry.event === 'delivered' && ids.has(entry.id) ? [entry.text] : [])),
    );
  }

  /** What one node has made up is delivered for good, whether or not it comes into a block. */
  #believed(): string[] {
    const payloads = this.lives.chain.messagesMadeUp().map(({ payload }) => payload);
    const isMadeUp = (envelope: Uint8Array): boolean => payloads.some((payload) => equalBytes(payload, envelope));
    return this.#envelopes.filter(({ envelope }) => isMadeUp(envelope)).map(({ text }) => text);
  }

  /** What waits for room has it after a turn of the timers. */
  async #standsStill(): Promise<void> {
    for (let before = -1; before < this.#received.length;) {
      before = this.#received.length;
      await new Promise((resolve) => setTimeout(resolve, turnMs));
      await this.lives.settle();
    }
  }

  get #areMany(): boolean {
    return this.#count >= 64;
  }

  /** Blocks of which the node has no state. */
  #forgotten(): Span[] {
    const { chain } = this.lives;
    const spans: Span[] = [];
    for (let number = 1; number <= chain.finalized.head.number; number++) {
      const block = chain.at(number);
      if (block !== undefined && !chain.hasState(block)) spans.push({ first: number, last: number });
    }
    return spans;
  }

  /** What can't be delivered is a dead letter, filed once for each time that it was posted. */
  async #brokenByLetters(posted: readonly PostedMessage[]): Promise<string[]> {
    const isMissing = (number: number): boolean =>
      this.#received.some((entry) => entry.event === 'gap' && entry.first <= number && number <= entry.last);
    // Of what is missing now some may have been filed while it was early.
    const dead = posted.filter(({ sender, payload, block }) => sender !== senderIn(payload) && !isMissing(block));
    const filed: string[] = [];
    for (const { block, envelope } of await deadLettersOf(this.lives.disk))
      // What was filed of a block that a node made up stays.
      if (block === undefined || !(isMissing(block.number) || this.lives.chain.wasMadeUp(block.hash)))
        filed.push(placeOf(block?.number, envelope));
    const meant = dead.map(({ block, payload }) => placeOf(block, payload));
    if (isDeepStrictEqual(filed.sort(), meant.sort())) return [];
    // What is read again since it came with made-up blocks has no nonce by which it would be known.
    const isReadAgain = this.lives.chain.messagesMadeUp().length > 0;
    if (isReadAgain && holdsAll(filed, meant) && filed.every((letter) => meant.includes(letter))) return [];
    return [`dead letters of ${filed.join(', ')} where blocks have ${meant.join(', ')}`];
  }

  #write(life: Life, event: InboxEvent): void {
    switch (event.type) {
      case 'message': {
        const id = this.#note(event.delivery);
        if (this.#fails > 0) {
          this.#fails -= 1;
          this.#hasLeft = true;
          event.delivery.leave();
          return;
        }
        const acknowledge = async (): Promise<void> => {
          await event.delivery.ack().catch(() => event.delivery.ack());
          if (!life.isOver) this.#received.push({ event: 'acknowledged', id });
        };
        if (this.#isHolding) this.#heldBack.push(acknowledge);
        else void acknowledge();
        return;
      }
      case 'retracted':
      case 'reinstated':
      case 'finalized':
        this.#received.push({ event: event.type, id: event.messageId });
        return;
      case 'gap':
        this.#received.push({ event: 'gap', first: event.first, last: event.last });
        return;
      case 'dead':
        this.#received.push({ event: 'dead', id: event.messageId, code: event.code });
    }
  }

  #note({ messageId: id, from, fromKind, nonce, body, block, finalized: isFinal }: Delivery): Hex {
    const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
    this.#received.push({ event: 'delivered', id, from, fromKind, nonce: String(nonce), text, isFinal, block });
    return id;
  }

  async #seal(kind: Kind): Promise<{ envelope: Uint8Array; text: string }> {
    const text = `${kind} ${this.#count++}`;
    const { envelope } = await sealMessage(
      {
        vault: this.#sender,
        genesisHash: this.lives.chain.genesisHash,
        store: this.#sending,
        directory: await directoryOf(this.#vault),
      },
      {
        to: this.#vault.identity,
        body: { kind: 'data', content: new TextEncoder().encode(text) },
        ...(kind === 'account' ? { account: this.#poster.id } : {}),
      },
    );
    this.#sent[kind].push({ event: 'meant', to: this.#vault.identity, text });
    this.#texts.set(text, nonceOf(envelope));
    this.#envelopes.push({ envelope, text });
    return { envelope, text };
  }

  #post(payload: Uint8Array, kind: Kind): void {
    this.#postAs(
      kind === 'account' ? { kind: 'account', id: this.#poster.id } : { kind: 'worker', id: this.#sender.identity },
      payload,
    );
  }

  /** Another account, another worker, and a contract of the id that the message names. */
  #postAsOthers(payload: Uint8Array): void {
    this.#postAs({ kind: 'account', id: bob.id }, payload);
    this.#postAs({ kind: 'worker', id: bob.id }, payload);
    this.#postAs({ kind: 'other', name: `contract ${this.#poster.id}` }, payload);
  }

  /** Straight into the pool: how it gets there is the outbox's part. */
  #postAs(sender: MessageSender, payload: Uint8Array): void {
    this.lives.chain.pass(sender, { destination: topicOf(this.#vault.identity), payload });
  }

  #nameOf(kind: Kind): string {
    return kind === 'worker' ? `worker ${this.#sender.identity}` : `account ${this.#poster.id}`;
  }

  /** What a finalized block has must arrive. */
  #entries(kind: Kind, posted: readonly PostedMessage[]): SenderEntry[] {
    const names = new Set(posted.map(nameOf));
    const sender = this.#nameOf(kind);
    const inBlocks = [...this.#texts].filter(
      ([text, nonce]) =>
        text.startsWith(kind) && names.has(nameOf({ sender, to: this.#vault.identity, nonce: BigInt(nonce) })),
    );
    // Their order is the one that they have on the chain.
    const places = new Map(posted.map((message, place) => [nameOf(message), place] as const).reverse());
    const to = this.#vault.identity;
    const placeOf = (text: string): number =>
      places.get(nameOf({ sender, to, nonce: BigInt(this.#texts.get(text) ?? 0) })) ?? posted.length;
    const sent = this.#sent[kind];
    const meant = sent.filter((entry) => entry.event === 'meant').sort((a, b) => placeOf(a.text) - placeOf(b.text));
    const others = sent.filter(({ event }) => event !== 'meant');
    return [...meant, ...others, ...inBlocks.map(([text, nonce]) => ({ event: 'queued', text, nonce }) as const)];
  }
}

/** As often as there, or more often. */
function holdsAll(all: readonly string[], wanted: readonly string[]): boolean {
  const left = [...all];
  return wanted.every((each) => left.includes(each) && left.splice(left.indexOf(each), 1).length > 0);
}

function placeOf(block: number | undefined, envelope: Uint8Array): string {
  return `block ${block ?? 'none'} ${toHex(blake2b(envelope, { dkLen: 4 }))}`;
}

function senderOf(sender: MessageSender): string {
  return sender.kind === 'other' ? `other ${sender.name}` : `${sender.kind} ${sender.id}`;
}

/** As it says itself; undefined of what is no envelope. */
function senderIn(payload: Uint8Array): string | undefined {
  try {
    const envelope = decodeEnvelope(payload);
    return envelope.suite === 'v1' ? `${envelope.header.fromKind} ${envelope.header.from}` : undefined;
  } catch {
    return undefined;
  }
}

/** 0 for what is no envelope. */
function nonceOf(payload: Uint8Array): string {
  try {
    const envelope = decodeEnvelope(payload);
    return envelope.suite === 'v1' ? String(envelope.header.nonce) : '0';
  } catch {
    return '0';
  }
}
