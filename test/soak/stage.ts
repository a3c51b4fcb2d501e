import type { Account } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import type { TcpProxy } from '../chain/tcp-proxy.ts';
import type { Absences } from './absences.ts';
import type { Attack, Attacker } from './attacker.ts';
import type { Span } from './gaps.ts';
import type { NodeUnderTest } from './node-under-test.ts';
import type { Player } from './player.ts';
import type { Copy } from './postings.ts';
import type { Random } from './random.ts';
import type { Rpc } from './rpc.ts';
import type { PostedMessage, Truth } from './truth.ts';

const lookAgainMs = 50;
/** Longer than a sender is kept from talking, on a busy machine too. */
const occasionMs = 30_000;
const mostOfSome = 5;

/** What signs for a worker. */
export type WorkerKeys = Pick<Vault, 'identity' | 'sign'>;

interface StageParts {
  readonly node: NodeUnderTest;
  readonly rpc: Rpc;
  readonly truth: Truth;
  readonly attacker: Attacker;
  readonly random: Random;
  readonly absences: Absences;
  readonly senders: readonly Player[];
  readonly recipients: readonly Player[];
  readonly proxies: ReadonlyMap<Player, TcpProxy>;
  readonly ids: ReadonlyMap<Player, Hex>;
  /** An account that is itself a sender. */
  readonly accountSender: Account | undefined;
  /** Of workers that others post for as well. */
  readonly workerSenders: readonly WorkerKeys[];
}

/** What the injections of a run act on. */
export class Stage {
  readonly node: NodeUnderTest;
  readonly truth: Truth;
  readonly attacker: Attacker;
  readonly random: Random;
  readonly absences: Absences;
  readonly senders: readonly Player[];
  readonly recipients: readonly Player[];
  readonly accountSender: Account | undefined;
  readonly workerSenders: readonly WorkerKeys[];
  readonly copies: Copy[] = [];
  /** Blocks that the node forgot while a recipient was kept away. */
  readonly mayMiss = new Map<Hex, Span[]>();
  readonly #parts: StageParts;

  constructor(parts: StageParts) {
    ({
      node: this.node,
      truth: this.truth,
      attacker: this.attacker,
      random: this.random,
      absences: this.absences,
      senders: this.senders,
      recipients: this.recipients,
      accountSender: this.accountSender,
      workerSenders: this.workerSenders,
    } = parts);
    this.#parts = parts;
  }

  get players(): readonly Player[] {
    return [...this.senders, ...this.recipients];
  }

  readonly proxyOf = (player: Player): TcpProxy => this.#of(this.#parts.proxies, player);

  readonly idOf = (player: Player): Hex => this.#of(this.#parts.ids, player);

  readonly pause = (leastMs: number, mostMs: number): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, this.random.between(leastMs, mostMs)));

  /** A few of those given, each once. */
  someOf(messages: readonly PostedMessage[]): readonly PostedMessage[] {
    if (messages.length === 0) return [];
    const picked = Array.from({ length: this.random.between(1, mostOfSome) }, () => this.random.pick(messages));
    return [...new Set(picked)];
  }

  willPost(copies: readonly Copy[]): void {
    this.copies.push(...copies);
  }

  willMiss(player: Player, span: Span): void {
    const id = this.idOf(player);
    this.mayMiss.set(id, [...(this.mayMiss.get(id) ?? []), span]);
  }

  /** One of these that no other injection has in its hands; false where there is none. */
  async withPlayer(among: readonly Player[], work: (player: Player) => Promise<boolean>): Promise<boolean> {
    const free = among.filter(({ isBusy }) => !isBusy);
    if (free.length === 0) return false;
    const player = this.random.pick(free);
    player.isBusy = true;
    try {
      return await work(player);
    } finally {
      player.isBusy = false;
    }
  }

  /** Waits for a finalized block and gives the finalized head. */
  async finalized(block: number): Promise<number> {
    for (;;) {
      const reached = await this.truth.catchUp();
      if (reached >= block) return reached;
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  }

  /** Waits until so many messages are in finalized blocks. */
  async posted(messages: number): Promise<void> {
    while (this.truth.posted.length < messages) {
      await this.truth.catchUp();
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
    }
  }

  /** Waits until the other recipients have read up to a block: on a busy machine they may be far behind. */
  async othersHaveRead(player: Player, block: number): Promise<void> {
    const others = this.recipients.filter((other) => other !== player);
    while (others.some(({ hasRead }) => hasRead < block))
      await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }

  /** Looks again and again for what comes by itself while the senders talk. False: it did not for long. */
  async occasion(isThere: () => Promise<boolean>): Promise<boolean> {
    for (const until = Date.now() + occasionMs; Date.now() < until;) {
      if (await isThere()) return true;
      await this.pause(10, 50);
    }
    return false;
  }

  /** An attack on what waits in the pool. Where the node can do so, blocks leave it there until the attack waits there too. */
  async contest(post: () => Promise<Attack | undefined>): Promise<boolean> {
    const { node } = this;
    const attack = await (node.whileFull?.(post) ?? post());
    return attack !== undefined && (await attack.isDone());
  }

  readonly waitingExtrinsics = async (): Promise<number> =>
    (await this.#parts.rpc.ask<readonly Hex[]>('author_pendingExtrinsics')).length;

  #of<T>(values: ReadonlyMap<Player, T>, player: Player): T {
    const value = values.get(player);
    if (value === undefined) throw new Error(`${player.config.name} is not of this run`);
    return value;
  }
}
