import { isDeepStrictEqual } from 'node:util';
import { decodeCommandPayload, encodeCommandPayload } from '../../../src/codec/index.ts';
import { createPhalaListener, type PhalaEvent } from '../../../src/inbox/index.ts';
import { openMemoryStore } from '../../../src/store/index.ts';
import { createMemoryVault } from '../../../src/vault/index.ts';
import { alice } from '../../support/entities.ts';
import { connectTo } from '../../support/simulation/connect.ts';
import { idle } from '../../support/simulation/idle.ts';
import { Life } from '../../support/simulation/life.ts';
import { MortalStore, type Death, type Fate } from '../../support/simulation/mortal-store.ts';
import { SimulatedChain } from '../../support/simulation/simulated-chain.ts';

const topic = new TextEncoder().encode('commands');

/** What the consumer wrote down, as its own database would. */
type Heard =
  | { readonly event: 'started' }
  | { readonly event: 'delivered' | 'acknowledged'; readonly text: string }
  | { readonly event: 'gap'; readonly first: number; readonly last: number };

/** The real listener over a chain in memory: each posting of a finalized block once, in the order of the chain. */
export class ListenerWorld {
  readonly #fate: Fate;
  readonly #chain = new SimulatedChain();
  readonly #disk = openMemoryStore();
  readonly #vault = createMemoryVault();
  readonly #heard: Heard[] = [];
  readonly #heldBack: (() => Promise<void>)[] = [];
  #isHolding = false;
  #isAway = false;
  #life: Life | undefined;
  #count = 0;

  constructor(death?: Death) {
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
    const options = { topics: [topic], from: 1, onGap: 'skip' } as const;
    const listener = createPhalaListener({ chain, vault: this.#vault, store, ...options });
    this.#life = life;
    this.#heldBack.length = 0;
    this.#heard.push({ event: 'started' });
    listener.events$.subscribe((event) => {
      if (!life.isOver) this.#write(life, event);
    });
    void listener.start();
    await this.settle();
  }

  /** Lets the process do what it can; where it died, starts it again. */
  async settle(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    await idle(() => life.steps);
    if (life.isOver && !this.#isAway) await this.start();
  }

  async kill(): Promise<void> {
    this.#life?.end();
    await this.settle();
  }

  /** Killed, and not started again until it is told to: the chain goes on without it. */
  async stayAway(isAway: boolean): Promise<void> {
    this.#isAway = isAway;
    if (isAway) this.#life?.end();
    await this.settle();
  }

  /** A command that waits in the pool. */
  post(): void {
    const content = new TextEncoder().encode(`command ${this.#count++}`);
    const payload = encodeCommandPayload({ kind: 'plain', content });
    this.#chain.pass({ kind: 'account', id: alice.id }, { destination: topic, payload });
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

  /** The consumer acknowledges at once, or holds back until it is told to. */
  async hold(isHolding: boolean): Promise<void> {
    this.#isHolding = isHolding;
    if (!isHolding) for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
    await this.settle();
  }

  /** Finalizes all there is; what was broken. */
  async end(): Promise<readonly string[]> {
    await this.stayAway(false);
    await this.hold(false);
    for (let n = 0; n < 3; n++) await this.build(false);
    await this.finalize(0);
    await this.settle();
    this.#life?.end();
    return this.#broken();
  }

  #broken(): string[] {
    const broken: string[] = [];
    const firsts: string[] = [];
    const acknowledged = new Set<string>();
    let sinceStart = new Set<string>();
    for (const entry of this.#heard) {
      if (entry.event === 'started') sinceStart = new Set();
      if (entry.event === 'acknowledged') acknowledged.add(entry.text);
      if (entry.event !== 'delivered') continue;
      const { text } = entry;
      if (sinceStart.has(text)) broken.push(`"${text}" was delivered twice in one run`);
      if (acknowledged.has(text)) broken.push(`"${text}" was delivered again after it was acknowledged`);
      if (!firsts.includes(text)) firsts.push(text);
      sinceStart.add(text);
    }
    const meant = this.#inBlocks();
    if (!isDeepStrictEqual(firsts, meant))
      broken.push(`delivered were ${firsts.join(', ')} where blocks have ${meant.join(', ')}`);
    return broken;
  }

  /** Of those of which the listener did not say that they are missing. */
  #inBlocks(): string[] {
    const isMissing = (number: number): boolean =>
      this.#heard.some((entry) => entry.event === 'gap' && entry.first <= number && number <= entry.last);
    const texts: string[] = [];
    for (let number = 1; number <= this.#chain.finalized.head.number; number++)
      for (const { payload } of isMissing(number) ? [] : (this.#chain.at(number)?.messages ?? []))
        texts.push(textIn(payload));
    return texts;
  }

  #write(life: Life, event: PhalaEvent): void {
    if (event.type === 'gap') this.#heard.push({ event: 'gap', first: event.first, last: event.last });
    if (event.type !== 'message') return;
    const { delivery } = event;
    const text = new TextDecoder().decode(delivery.content);
    this.#heard.push({ event: 'delivered', text });
    const acknowledge = async (): Promise<void> => {
      await delivery.ack();
      if (!life.isOver) this.#heard.push({ event: 'acknowledged', text });
    };
    if (this.#isHolding) this.#heldBack.push(acknowledge);
    else void acknowledge();
  }
}

function textIn(payload: Uint8Array): string {
  const command = decodeCommandPayload(payload);
  return command.kind === 'plain' ? new TextDecoder().decode(command.content) : command.kind;
}
