import { isDeepStrictEqual } from 'node:util';
import { blake2b } from '@noble/hashes/blake2.js';
import { sealMessage } from '../../src/channel/index.ts';
import type { Account } from '../../src/chain/index.ts';
import { decodeEnvelope, toHex, topicOf } from '../../src/codec/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type Inbox, type InboxEvent } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import type { RecipientEntry, SenderEntry } from '../soak/ledger.ts';
import { judge, nameOf, type Verdict } from '../soak/verdict.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { alice, directoryOf } from '../support/entities.ts';
import { deadLettersOf } from '../support/inbox-probe.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { idle } from '../support/simulation/idle.ts';
import { Life } from '../support/simulation/life.ts';
import { MortalStore, type Death, type Fate } from '../support/simulation/mortal-store.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';

interface Running {
  readonly life: Life;
  readonly inbox: Inbox;
}

type Kind = 'worker' | 'account';

/** The real inbox over a chain in memory, with a consumer that writes down what it was handed, as its own database would. */
export class InboxWorld {
  readonly #finality: 'finalized' | 'best';
  readonly #fate: Fate;
  readonly #chain = new SimulatedChain();
  readonly #disk = openMemoryStore();
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
  #isHolding = false;
  #isAway = false;
  #running: Running | undefined;
  #count = 0;

  constructor(finality: 'finalized' | 'best', death?: Death) {
    this.#finality = finality;
    this.#fate = { commits: 0, death };
  }

  /** Of all lives so far. */
  get commits(): number {
    return this.#fate.commits;
  }

  async start(): Promise<void> {
    const life = new Life();
    const store = new MortalStore(this.#disk, life, this.#fate);
    const chain = connectTo(this.#chain, life);
    const reading = { finality: this.#finality, from: 1, onGap: 'skip' } as const;
    const inbox = createInbox({ chain, vault: this.#vault, store, ...reading });
    this.#running = { life, inbox };
    this.#heldBack.length = 0;
    this.#received.push({ event: 'started' });
    inbox.events$.subscribe((event) => {
      if (!life.isOver) this.#write(life, event);
    });
    void inbox.start();
    await this.settle();
  }

  /** Lets the process do what it can; where it died, starts it again. */
  async settle(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await idle(() => running.life.steps);
    if (!running.life.isOver || this.#isAway) return;
    await this.start();
  }

  async kill(): Promise<void> {
    this.#running?.life.end();
    await this.settle();
  }

  /** Killed, and not started again until it is told to: the chain goes on without it. */
  async stayAway(isAway: boolean): Promise<void> {
    this.#isAway = isAway;
    if (isAway) this.#running?.life.end();
    await this.settle();
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
    const { inbox, life } = this.#running ?? {};
    void inbox?.accept(envelope).then(() => {
      if (life?.isOver === false) this.#sent.worker.push({ event: 'queued', text, nonce: nonceOf(envelope) });
    });
    await this.settle();
  }

  /** Posts an earlier message another time, as its sender and as somebody else, and garbage. */
  again(which: number): void {
    const earlier = this.#envelopes[which % Math.max(this.#envelopes.length, 1)];
    if (earlier === undefined) return;
    const { envelope } = earlier;
    this.#post(envelope, 'account');
    this.#post(envelope, 'worker');
    this.#post(envelope.slice(0, -1), 'account');
  }

  async build(isEmpty: boolean): Promise<void> {
    this.#chain.build({ isEmpty });
    await this.settle();
  }

  async reorg(depth: number, isKept: boolean): Promise<void> {
    this.#chain.reorg(depth, isKept);
    await this.settle();
  }

  async finalize(lag: number): Promise<void> {
    this.#chain.finalize(lag);
    await this.settle();
  }

  /** The node forgets the states of what is final. */
  async prune(): Promise<void> {
    this.#chain.prune({ bodies: false });
    await this.settle();
  }

  /**
   * While a commit is on its way to the disk: something happens to the chain, and then the consumer is done with what it held
   * back. So the acknowledgement is beside what the chain brings.
   */
  async acknowledgeLate(happens: (chain: SimulatedChain) => void): Promise<void> {
    const { inbox, life } = this.#running ?? {};
    if (inbox === undefined || life === undefined || life.isOver) return;
    let open: () => void = () => undefined;
    this.#fate.gate = new Promise((resolve) => (open = resolve));
    // Something to commit.
    await this.relay(false);
    happens(this.#chain);
    await idle(() => life.steps);
    for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
    await idle(() => life.steps);
    this.#fate.gate = undefined;
    open();
    await this.settle();
  }

  /** The consumer acknowledges at once, or holds back until it is told to. */
  async hold(isHolding: boolean): Promise<void> {
    this.#isHolding = isHolding;
    if (!isHolding) for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
    await this.settle();
  }

  /** Finalizes all there is and judges. */
  async end(): Promise<Verdict> {
    await this.stayAway(false);
    await this.hold(false);
    for (let n = 0; n < 3; n++) await this.build(false);
    await this.finalize(0);
    await this.settle();
    this.#running?.life.end();
    const posted: PostedMessage[] = [];
    for (let number = 1; number <= this.#chain.finalized.head.number; number++)
      for (const { sender, payload } of this.#chain.at(number)?.messages ?? []) {
        if (sender.kind === 'other') continue;
        const nonce = BigInt(nonceOf(payload));
        posted.push({ block: number, sender: `${sender.kind} ${sender.id}`, to: this.#vault.identity, payload, nonce });
      }
    const verdict = judge({
      senders: (['worker', 'account'] as const).map((kind) => ({
        id: this.#nameOf(kind),
        entries: this.#entries(kind, posted),
      })),
      recipients: [{ id: this.#vault.identity, finality: this.#finality, entries: this.#received }],
      posted,
      // How often a message stands on the chain is not the inbox's doing.
      reposted: new Map(posted.map((message) => [nameOf(message), Infinity])),
      relayed: this.#relayed,
    });
    const broken = [...verdict.broken, ...(await this.#brokenByLetters(posted)), ...(await this.#brokenByLeftovers())];
    return { ...verdict, broken };
  }

  /** All is final, and the consumer is done with all: nothing has to be kept but what was seen. */
  async #brokenByLeftovers(): Promise<string[]> {
    const store = new InboxStore(this.#disk);
    const items = (await store.itemsFrom(0n, 100)).map(([sequence, { kind }]) => `${kind} ${sequence}`);
    const early = (await store.early(0, 2 ** 32 - 1)).map(
      ({ number }) => `the mark of an early message of block ${number}`,
    );
    const taken = (await store.taken(0, 2 ** 32 - 1)).map(({ number }) => `the mark of block ${number}`);
    const retracted = (await store.hasRetracted()) ? ['the mark of a retracted message'] : [];
    return [...items, ...early, ...taken, ...retracted].map((what) => `left in the store: ${what}`);
  }

  /** What can't be delivered is a dead letter, filed once for each time that it was posted. */
  async #brokenByLetters(posted: readonly PostedMessage[]): Promise<string[]> {
    const isMissing = (number: number): boolean =>
      this.#received.some((entry) => entry.event === 'gap' && entry.first <= number && number <= entry.last);
    // Of what is missing now some may have been filed while it was early.
    const dead = posted.filter(({ sender, payload, block }) => sender !== senderIn(payload) && !isMissing(block));
    const filed: string[] = [];
    for (const { block, envelope } of await deadLettersOf(this.#disk))
      if (block === undefined || !isMissing(block.number)) filed.push(placeOf(block?.number, envelope));
    const meant = dead.map(({ block, payload }) => placeOf(block, payload));
    if (isDeepStrictEqual(filed.sort(), meant.sort())) return [];
    return [`dead letters of ${filed.join(', ')} where blocks have ${meant.join(', ')}`];
  }

  #write(life: Life, event: InboxEvent): void {
    switch (event.type) {
      case 'message': {
        const { messageId: id, from, fromKind, nonce, body, finalized: isFinal } = event.delivery;
        const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
        this.#received.push({ event: 'delivered', id, from, fromKind, nonce: String(nonce), text, isFinal });
        const acknowledge = async (): Promise<void> => {
          await event.delivery.ack();
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

  async #seal(kind: Kind): Promise<{ envelope: Uint8Array; text: string }> {
    const text = `${kind} ${this.#count++}`;
    const { envelope } = await sealMessage(
      {
        vault: this.#sender,
        genesisHash: this.#chain.genesisHash,
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

  /** Straight into the pool: how it gets there is the outbox's part. */
  #post(payload: Uint8Array, kind: Kind): void {
    const destination = topicOf(this.#vault.identity);
    this.#chain.pass(
      kind === 'account' ? { kind: 'account', id: this.#poster.id } : { kind: 'worker', id: this.#sender.identity },
      { destination, payload },
    );
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

function placeOf(block: number | undefined, envelope: Uint8Array): string {
  return `block ${block ?? 'none'} ${toHex(blake2b(envelope, { dkLen: 4 }))}`;
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
