import { blake2b } from '@noble/hashes/blake2.js';
import { Observable } from 'rxjs';
import type {
  Account,
  BlockId,
  Call,
  Chain,
  ExtrinsicFacts,
  Fate,
  Fates,
  Finality,
  FollowOptions,
  Head,
  HeadEvent,
  HeadsOptions,
  Inclusion,
  Messages,
  MessagesOptions,
  MessageSpan,
  PostedMessage,
  PostOptions,
  SignedExtrinsic,
} from '../../../src/chain/index.ts';
import { equalBytes, toHex, Writer, type Hex } from '../../../src/codec/index.ts';
import { RelayError, type ErrorCode } from '../../../src/errors/index.ts';
import type { Life } from './life.ts';
import {
  bytesOf,
  simulatedEra,
  type SimulatedBlock,
  type SimulatedChain,
  type SimulatedExtrinsic,
} from './simulated-chain.ts';

/** What goes wrong between a process and its node. */
export interface Line {
  /** Of the next extrinsic posted: it is lost, or the answer to it is. Used up by it. */
  loses?: 'extrinsic' | 'answer' | undefined;
  /** Of the next extrinsics posted, one after the other: the node takes it, and answers with this. */
  denies?: ErrorCode[];
  /** Told of what is in each extrinsic that is given to the node, before anything comes of it. */
  posts?: (calls: readonly Call[]) => void;
  /** Of the next extrinsic posted: the node does not take it, and says so with this. Used up by it. */
  refuses?: ErrorCode | undefined;
  /** Blocks of which messages come at once, at most: of each next span. Default: all there are. */
  nextSpan?: () => number;
}

/** A process's connection to the simulated chain, as far as inbox and outbox use one. */
export function connectTo(chain: SimulatedChain, life: Life, line: Line = {}): Chain {
  return new Connection(chain, life, line) as unknown as Chain;
}

class Connection {
  readonly genesisHash: Hex;
  readonly info = {
    chainName: 'simulated',
    specName: 'simulated',
    specVersion: 1,
    ss58Prefix: 30,
    tokenSymbol: 'PHA',
    tokenDecimals: 12,
    maxExtrinsicBytes: 1_000_000,
    noneAttestationEnabled: true,
  };
  readonly isLocal = true;
  readonly trust = 'single';
  readonly messages: Messages;
  readonly #chain: SimulatedChain;
  readonly #life: Life;
  readonly #line: Line;
  #signed = 0;

  constructor(chain: SimulatedChain, life: Life, line: Line) {
    this.genesisHash = chain.genesisHash;
    this.#chain = chain;
    this.#life = life;
    this.#line = line;
    this.messages = {
      follow: (after, options, signal) => this.#followMessages(after, options, signal),
      at: (head, options) => life.step(() => wanted(this.#stateOf(head.hash), options)),
    };
  }

  finalizedHead(): Promise<Head> {
    return this.#life.step(() => this.#chain.toldFinal.head);
  }

  agreedHead(): Promise<Head> {
    return this.finalizedHead();
  }

  bestHead(): Promise<Head> {
    return this.#life.step(() => this.#chain.best.head);
  }

  headAt(number: number): Promise<Head | undefined> {
    return this.#life.step(() => this.#chain.toldAt(number)?.head);
  }

  headOf(hash: Hex): Promise<Head> {
    return this.#life.step(() => this.#blockOf(hash).head);
  }

  at(hash: Hex) {
    return {
      hash,
      outboundMessages: () => this.#life.step(() => this.#stateOf(hash).messages),
      ingressSequence: (worker: Hex) => this.#life.step(() => this.#stateOf(hash).sequences.get(worker) ?? 0n),
      messageCalls: () =>
        this.#life.step(() => {
          this.#stateOf(hash);
          return this.#chain.messageCalls;
        }),
      // Each block pays its author.
      freeBalance: () => this.#life.step(() => BigInt(this.#chain.best.head.number)),
      extrinsics: () => this.#life.step(() => this.#bodyOf(hash)),
      body: () => this.#life.step(() => ({ extrinsics: this.#bodyOf(hash), hasNewRuntime: false })),
    };
  }

  provenSequence({ hash }: Head, worker: Hex): Promise<bigint> {
    return this.at(hash).ingressSequence(worker);
  }

  finalizedHeads$(options: HeadsOptions = {}): Observable<HeadEvent> {
    return this.#heads$({ ...options, finality: 'finalized' });
  }

  bestHeads$(options: HeadsOptions = {}): Observable<HeadEvent> {
    return this.#heads$({ ...options, finality: 'best' });
  }

  #heads$(options: HeadsOptions): Observable<HeadEvent> {
    return new Observable((subscriber) => {
      const leaving = new AbortController();
      const push = async (): Promise<void> => {
        for await (const event of this.headEvents(options, leaving.signal)) subscriber.next(event);
      };
      push().catch((error: unknown) => {
        if (!leaving.signal.aborted) subscriber.error(error);
      });
      return () => {
        leaving.abort();
      };
    });
  }

  async *headEvents(
    { finality = 'finalized', from }: HeadsOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<HeadEvent, never> {
    const present = await this.#life.step(() => this.#newest(finality).head.number);
    const branch: Head[] = [];
    const headAt = (number: number): Promise<Head | undefined> =>
      this.#life.step(() => (finality === 'best' ? this.#chain.at(number) : this.#chain.toldAt(number))?.head);
    for (;;) {
      const next = branch.length === 0 ? (from ?? present) : (branch.at(-1)?.number ?? 0) + 1;
      const gone = branch.at(-1);
      if (gone !== undefined && (await headAt(gone.number))?.hash !== gone.hash) {
        branch.pop();
        yield { type: 'retracted', head: gone };
        continue;
      }
      const head = next <= this.#newest(finality).head.number ? await headAt(next) : undefined;
      if (head === undefined) {
        await this.#changed(signal);
        continue;
      }
      branch.push(head);
      yield { type: 'head', head };
    }
  }

  async *#followMessages(
    after: BlockId,
    options: MessagesOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageSpan, never> {
    const given = [after];
    for (;;) {
      const span = await this.#life.step(
        () => this.#takenBack(given) ?? this.#spanAfter(given.at(-1) ?? after, options),
      );
      if (span === undefined) await this.#changed(signal);
      else {
        yield span;
        if (span.type === 'retracted') given.splice(given.indexOf(span.through) + 1);
        else given.push(span.through);
      }
    }
  }

  /** Where the last of those given is not on the chain: the stream goes on after one that is. Throws cursor-not-on-chain. */
  #takenBack(given: readonly BlockId[]): MessageSpan | undefined {
    const through = given.findLast(({ number, hash }) => this.#chain.toldAt(number)?.head.hash === hash);
    if (through !== undefined) return through === given.at(-1) ? undefined : { type: 'retracted', through };
    const [{ number: block, hash } = { number: 0, hash: '' }] = given;
    throw new RelayError('cursor-not-on-chain', { details: { block, hash } });
  }

  /** As many finalized blocks as are alike, and come at once. */
  #spanAfter({ number: last }: BlockId, options: MessagesOptions): MessageSpan | undefined {
    const chain = this.#chain;
    const blocks: SimulatedBlock[] = [];
    const most = last + (this.#line.nextSpan?.() ?? Infinity);
    for (let number = last + 1; number <= Math.min(most, chain.toldFinal.head.number); number++) {
      const block = chain.toldAt(number);
      if (block === undefined || chain.hasState(block) !== chain.hasState(blocks[0] ?? block)) break;
      blocks.push(block);
    }
    const [first, through] = [blocks[0], blocks.at(-1)?.head];
    if (first === undefined || through === undefined) return undefined;
    if (chain.hasState(first))
      return { type: 'blocks', through, messages: blocks.flatMap((block) => wanted(block, options)) };
    const hashAt = (number: number): Promise<Hex | undefined> => this.#life.step(() => chain.at(number)?.head.hash);
    return { type: 'missing', first: first.head.number, through, reason: 'pruned', hashAt };
  }

  async post(
    calls: readonly Call[],
    account: Account,
    { batch = 'all', beforePost, nonce = this.#chain.nextNonce(account.id) }: PostOptions = {},
  ): Promise<SignedExtrinsic> {
    const extrinsic = await this.#life.step(() => this.#sign(calls, account, { batch, nonce }));
    await beforePost?.(extrinsic);
    const isTaken = await this.#life.step(() => {
      const { loses, denies, refuses, posts } = this.#line;
      posts?.(calls);
      this.#line.loses = undefined;
      this.#line.refuses = undefined;
      if (refuses !== undefined)
        throw new RelayError(refuses, { details: { account: account.id, nonce, times: 1, reason: 'simulated' } });
      const isIn = loses !== 'extrinsic' && this.#chain.submit(extrinsic);
      const denial = denies?.shift();
      if (denial !== undefined) throw new RelayError(denial, { details: { account: account.id, nonce, times: 1 } });
      return isIn || loses !== undefined;
    });
    if (isTaken) return extrinsic;
    throw new RelayError('nonce-conflict', { details: { account: account.id, nonce, times: 1 } });
  }

  fates(extrinsics: readonly ExtrinsicFacts[]): Promise<Fates> {
    return this.#life.step(() => ({
      by: this.#chain.finalized.head,
      of: new Map(extrinsics.map((extrinsic) => [extrinsic.hash, this.#fateOf(extrinsic)])),
    }));
  }

  async follow(
    { hash, account, nonce, anchor, death }: SignedExtrinsic,
    { waitFor = 'inBlock', onInclusion, signal }: FollowOptions = {},
  ): Promise<Inclusion> {
    let told: Hex | undefined;
    for (;;) {
      const { found, unseen } = await this.#life.step(() => this.#find(hash, anchor, death));
      if (found?.blockHash !== told) onInclusion?.(found);
      told = found?.blockHash;
      const finalized = this.#chain.finalized.head.number;
      if (found !== undefined && (waitFor === 'inBlock' || found.blockNumber <= finalized)) return found;
      if (found === undefined) {
        const isUsed = (this.#chain.finalized.nonces.get(account) ?? 0) > nonce;
        const [first, last] = [unseen[0], unseen.at(-1)];
        if (isUsed && first !== undefined && last !== undefined)
          throw new RelayError('fate-unknown', { details: { what: `extrinsic ${hash}`, first, last } });
        if (finalized >= death) throw new RelayError('extrinsic-expired', { details: { block: death } });
        if (isUsed) throw new RelayError('nonce-conflict', { details: { account, nonce, times: 1 } });
        const own = signedBefore.get(hash);
        if (own !== undefined) this.#chain.submit(own);
      }
      await this.#changed(signal);
    }
  }

  async submit(
    calls: readonly Call[],
    account: Account,
    options: PostOptions & FollowOptions = {},
  ): Promise<Inclusion> {
    const inclusion = await this.follow(await this.post(calls, account, options), options);
    if (inclusion.failure !== undefined) throw inclusion.failure;
    return inclusion;
  }

  async batchRoom() {
    return this.#life.step(() => {
      let left = 3;
      return { maxExtrinsicBytes: this.info.maxExtrinsicBytes, take: (): boolean => left-- > 0 };
    });
  }

  async costOf() {
    return this.#life.step(() => ({ fee: 1n, refTime: 1n, proofSize: 1n }));
  }

  async stop(): Promise<void> {
    this.#life.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #fateOf({ hash, account, nonce, anchor, death }: ExtrinsicFacts): Fate {
    const { head, nonces } = this.#chain.finalized;
    const { found: inclusion, unseen } = this.#find(hash, anchor, death);
    if (inclusion !== undefined && inclusion.blockNumber <= head.number)
      return { kind: 'included', inclusion, isFinal: true };
    const isUsed = (nonces.get(account) ?? 0) > nonce;
    const [first, last] = [unseen[0], unseen.at(-1)];
    if (isUsed && first !== undefined && last !== undefined) return { kind: 'unknown', first, last };
    if (isUsed || head.number >= death) return { kind: 'dead', isFinal: true };
    return { kind: 'open', nextNonce: this.#chain.best.nonces.get(account) ?? 0 };
  }

  #sign(
    calls: readonly Call[],
    { id: account }: Account,
    { batch, nonce }: Required<Pick<PostOptions, 'batch' | 'nonce'>>,
  ): SimulatedExtrinsic {
    // As the chain's own: on a block deep below the best one where finality lags.
    const deep = this.#chain.best.head.number - simulatedEra / 2;
    const { number: anchor, hash: birth } =
      this.#chain.at(Math.max(this.#chain.finalized.head.number, deep))?.head ?? this.#chain.finalized.head;
    const salt = new Writer().u32(nonce).u32(anchor).u32(this.#signed++).u32(signedBefore.size).finish();
    const bytes = bytesOf(calls, batch, salt);
    const hash = toHex(blake2b(bytes, { dkLen: 32 }));
    const extrinsic = { bytes, hash, account, nonce, anchor, birth, death: anchor + simulatedEra, calls, batch };
    signedBefore.set(hash, extrinsic);
    return extrinsic;
  }

  /** `unseen`: blocks that may have it, of which no node has the body. */
  #find(hash: Hex, anchor: number, death: number): { readonly found?: Inclusion; readonly unseen: number[] } {
    const unseen: number[] = [];
    for (let number = anchor + 1; number < death; number++) {
      const block = this.#chain.at(number);
      if (block === undefined) continue;
      if (!this.#chain.hasBody(block)) unseen.push(number);
      const outcome = this.#chain.hasBody(block) ? block.extrinsics.get(hash) : undefined;
      if (outcome === undefined) continue;
      const { failures, isFailed } = outcome;
      const where = { extrinsicHash: hash, blockHash: block.head.hash, blockNumber: number };
      if (!this.#chain.hasState(block)) return { found: { ...where, isOutcomeUnknown: true }, unseen };
      if (!isFailed) return { found: failures.length === 0 ? where : { ...where, failures }, unseen };
      const { pallet = '', error = '' } = failures[0] ?? {};
      const details = { pallet, error, docs: 'simulated' };
      return { found: { ...where, failure: new RelayError('dispatch-failed', { details }) }, unseen };
    }
    return { unseen };
  }

  #newest(finality: Finality): SimulatedBlock {
    return finality === 'best' ? this.#chain.best : this.#chain.toldFinal;
  }

  #blockOf(hash: Hex): SimulatedBlock {
    const block = this.#chain.block(hash);
    if (block === undefined) throw new RelayError('state-discarded', { details: { block: hash, reason: 'unknown' } });
    return block;
  }

  #stateOf(hash: Hex): SimulatedBlock {
    const block = this.#blockOf(hash);
    if (this.#chain.hasState(block)) return block;
    throw new RelayError('state-discarded', { details: { block: hash, reason: 'pruned' } });
  }

  #bodyOf(hash: Hex): Hex[] {
    const block = this.#blockOf(hash);
    if (!this.#chain.hasBody(block))
      throw new RelayError('state-discarded', { details: { block: hash, reason: 'pruned' } });
    return [...block.extrinsics.values()].map(({ extrinsic: { bytes } }) => toHex(bytes));
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return this.#life.step(
      () =>
        new Promise<void>((resolve, reject) => {
          const leave = (): void => {
            end();
            signal?.removeEventListener('abort', abort);
          };
          const abort = (): void => {
            leave();
            reject(new RelayError('aborted'));
          };
          const end = this.#chain.watch(() => {
            leave();
            resolve();
          });
          if (signal?.aborted === true) abort();
          else signal?.addEventListener('abort', abort, { once: true });
        }),
    );
  }
}

/** What stands for decoding an extrinsic's bytes: what each hash was signed over, by whichever process. */
const signedBefore = new Map<Hex, SimulatedExtrinsic>();

function wanted({ head, messages }: SimulatedBlock, { topics }: MessagesOptions): PostedMessage[] {
  const { number, hash } = head;
  return messages
    .filter(({ destination }) => topics.some((topic) => equalBytes(topic, destination)))
    .map((message) => ({ ...message, block: { number, hash }, proven: true }));
}
