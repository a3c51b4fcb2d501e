import type { Chain } from '../../../src/chain/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../../src/store/index.ts';
import { connectTo, type Line } from './connect.ts';
import { idle } from './idle.ts';
import { Life } from './life.ts';
import { MortalStore, type Death, type Fate } from './mortal-store.ts';
import { SimulatedChain } from './simulated-chain.ts';

/** What a process is started with. */
export interface Parts {
  readonly life: Life;
  readonly chain: Chain;
  readonly store: TransactionalStore;
}

/** A process over a chain in memory and a disk that outlives it: it dies where it is told to, and is started again. */
export class Lives {
  readonly chain = new SimulatedChain();
  readonly disk = openMemoryStore();
  readonly line: Line = {};
  readonly #fate: Fate;
  readonly #begin: (parts: Parts) => Promise<void> | void;
  /** Called when the process has done what it can. */
  onQuiet: () => Promise<void> | void = () => undefined;
  #life: Life | undefined;
  #isAway = false;

  /** `begin` starts the process, and waits for nothing that it does. */
  constructor(death: Death | undefined, begin: (parts: Parts) => Promise<void> | void) {
    this.#fate = { commits: 0, death };
    this.#begin = begin;
  }

  /** Of all lives so far. */
  get commits(): number {
    return this.#fate.commits;
  }

  /** Of the process that runs now. */
  get isAlive(): boolean {
    return this.#life?.isOver === false;
  }

  async start(): Promise<void> {
    const life = new Life();
    this.#life = life;
    const store = new MortalStore(this.disk, life, this.#fate);
    await this.#begin({ life, chain: connectTo(this.chain, life, this.line), store });
    await this.settle();
  }

  /** Lets the process do what it can; where it died, starts it again. */
  async settle(): Promise<void> {
    await this.quiet();
    if (this.#life?.isOver === true && !this.#isAway) await this.start();
    else await this.onQuiet();
  }

  /** Lets the process do what it can. */
  async quiet(): Promise<void> {
    const life = this.#life;
    if (life !== undefined) await idle(() => life.steps);
  }

  async kill(): Promise<void> {
    this.end();
    await this.settle();
  }

  /** Killed, and not started again until it is told to: the chain goes on without it. */
  async stayAway(isAway: boolean): Promise<void> {
    this.#isAway = isAway;
    if (isAway) this.end();
    await this.settle();
  }

  /** As kill -9. */
  end(): void {
    this.#life?.end();
  }

  /** It has ended, and not to be started again before it is told to. */
  giveUp(): void {
    this.#isAway = true;
    this.end();
  }

  async build(isEmpty: boolean): Promise<void> {
    this.chain.build({ isEmpty });
    await this.settle();
  }

  async reorg(depth: number, isKept: boolean): Promise<void> {
    this.chain.reorg(depth, isKept);
    await this.settle();
  }

  async finalize(lag: number): Promise<void> {
    this.chain.finalize(lag);
    await this.settle();
  }

  /** The node says that blocks are final which it has made up, and is found out when the process has done what it can. */
  async makeUp(count: number): Promise<void> {
    this.chain.makeUp(count);
    await this.stayAway(false);
    this.chain.takeBack();
    await this.settle();
  }

  /** The node forgets the states of what is final, or its extrinsics too. */
  async prune(what: { readonly bodies: boolean }): Promise<void> {
    this.chain.prune(what);
    await this.settle();
  }

  /** Of each next span of blocks whose messages are read; again from the first after the last. */
  comeInSpansOf(lengths: readonly number[]): void {
    let n = 0;
    this.line.nextSpan = () => lengths[n++ % lengths.length] ?? 1;
  }

  /** What the process writes waits while this is done. */
  async holdingCommits(work: () => Promise<void>): Promise<void> {
    let open: () => void = () => undefined;
    this.#fate.gate = new Promise((resolve) => (open = resolve));
    try {
      await work();
    } finally {
      this.#fate.gate = undefined;
      open();
    }
    await this.settle();
  }
}
