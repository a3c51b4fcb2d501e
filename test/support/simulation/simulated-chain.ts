import { blake2b } from '@noble/hashes/blake2.js';
import type {
  BlockNumber,
  Call,
  Head,
  ItemFailure,
  MessageCalls,
  MessageSender,
  OutboundMessage,
  SignedExtrinsic,
} from '../../../src/chain/index.ts';
import { fromHex, toHex, workerMessageContent, Writer, type Hex } from '../../../src/codec/index.ts';
import { verify } from '../../../src/crypto/core.ts';

/** A signed extrinsic with what it does. */
export interface SimulatedExtrinsic extends SignedExtrinsic {
  /** The block of its anchor: only what follows it takes the extrinsic. undefined: any does. */
  readonly birth?: Hex;
  readonly calls: readonly Call[];
  readonly batch: 'all' | 'each';
  /** Stands in the block beside what the calls do. */
  readonly message?: OutboundMessage;
}

/** What the chain holds after a block. */
interface State {
  readonly nonces: ReadonlyMap<Hex, number>;
  /** Next expected of a worker. */
  readonly sequences: ReadonlyMap<Hex, bigint>;
}

export interface SimulatedBlock extends State {
  readonly head: Head;
  readonly messages: readonly OutboundMessage[];
  /** By hash, with what failed of each. */
  readonly extrinsics: ReadonlyMap<Hex, Outcome>;
}

interface Outcome {
  readonly extrinsic: SimulatedExtrinsic;
  readonly failures: readonly ItemFailure[];
  /** The extrinsic as a whole came to nothing. */
  readonly isFailed: boolean;
}

export const simulatedEra = 8;
const noHash: Hex = `0x${'00'.repeat(32)}`;

/** A chain in memory with what this project relies on of one: forks, finality, nonces, sequences, eras, a pool. */
export class SimulatedChain {
  readonly genesisHash: Hex;
  /** Signed and not in a block of the best branch, by hash. */
  readonly pool = new Map<Hex, SimulatedExtrinsic>();
  #isFiltering = false;
  #hasFiltered = false;
  /** What the node has given up and another one keeps. */
  readonly #elsewhere = new Map<Hex, SimulatedExtrinsic>();
  #firstState: BlockNumber = 0;
  #firstBody: BlockNumber = 0;
  #best: SimulatedBlock;
  #finalized: SimulatedBlock;
  /** Of the node, which says that they are final. */
  #madeUp: readonly SimulatedBlock[] = [];
  /** Of nodes so far, by hash. */
  readonly #everMadeUp = new Map<Hex, SimulatedBlock>();
  readonly #blocks = new Map<Hex, SimulatedBlock>();
  readonly #watchers = new Set<() => void>();
  #built = 0;
  #passed = 0;

  constructor() {
    const genesis = this.#append(noHash, 0, {
      messages: [],
      extrinsics: new Map(),
      nonces: new Map(),
      sequences: new Map(),
    });
    this.genesisHash = genesis.head.hash;
    this.#best = genesis;
    this.#finalized = genesis;
  }

  get best(): SimulatedBlock {
    return this.#best;
  }

  get finalized(): SimulatedBlock {
    return this.#finalized;
  }

  /** Any block of any branch. */
  block(hash: Hex): SimulatedBlock | undefined {
    return this.#blocks.get(hash);
  }

  /** Of the best branch. */
  at(number: BlockNumber): SimulatedBlock | undefined {
    let block: SimulatedBlock | undefined = this.#best;
    while (block !== undefined && block.head.number > number) block = this.#blocks.get(block.head.parentHash);
    return block?.head.number === number ? block : undefined;
  }

  /** What the node says is final: there may be blocks on the finalized one that it has made up. */
  get toldFinal(): SimulatedBlock {
    return this.#madeUp.at(-1) ?? this.#finalized;
  }

  /** As the node has it: of what it says is final, else of the best branch. */
  toldAt(number: BlockNumber): SimulatedBlock | undefined {
    return this.#madeUp.find(({ head }) => head.number === number) ?? this.at(number);
  }

  hasState({ head }: SimulatedBlock): boolean {
    return head.number >= this.#firstState;
  }

  hasBody({ head }: SimulatedBlock): boolean {
    return head.number >= this.#firstBody;
  }

  /** Drops the states below the finalized block, as nodes do after a while, and the bodies where told. */
  prune({ bodies }: { readonly bodies: boolean }): void {
    this.#firstState = this.#finalized.head.number;
    if (bodies) this.#firstBody = this.#firstState;
  }

  /** The node calls all that waits invalid, while another one keeps it. */
  giveUp(): void {
    for (const [hash, extrinsic] of this.pool) this.#elsewhere.set(hash, extrinsic);
    this.pool.clear();
  }

  /** A block of the node that kept what this one gave up. */
  buildElsewhere(): SimulatedBlock {
    const others = [...this.pool];
    this.pool.clear();
    for (const [hash, extrinsic] of [...this.#elsewhere, ...others]) this.pool.set(hash, extrinsic);
    this.#elsewhere.clear();
    return this.build();
  }

  /** Calls back at each change of a head; the result ends that. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => {
      this.#watchers.delete(changed);
    };
  }

  /** Of the best state and what waits in the pool: system_accountNextIndex. */
  nextNonce(account: Hex): number {
    const taken = new Set([...this.pool.values()].filter((each) => each.account === account).map(({ nonce }) => nonce));
    let nonce = this.#best.nonces.get(account) ?? 0;
    while (taken.has(nonce)) nonce++;
    return nonce;
  }

  /** False where the next block could not take it, or another extrinsic in the pool has its nonce. */
  submit(extrinsic: SimulatedExtrinsic): boolean {
    if (this.pool.has(extrinsic.hash)) return true;
    const isTaken = [...this.pool.values()].some(
      ({ account, nonce }) => account === extrinsic.account && nonce === extrinsic.nonce,
    );
    if (isTaken || this.#isDead(extrinsic)) return false;
    this.pool.set(extrinsic.hash, extrinsic);
    return true;
  }

  /** No block after the best one can take it. */
  #isDead({ account, nonce, anchor, birth, death }: SimulatedExtrinsic): boolean {
    const { head, nonces } = this.#best;
    const isBorn = birth === undefined || this.at(anchor)?.head.hash === birth;
    return !isBorn || head.number + 1 >= death || nonce < (nonces.get(account) ?? 0);
  }

  /** The node says that so many blocks are final which are not there. The first has all that is not final yet, or waits. */
  makeUp(count: number): void {
    const extrinsics: SimulatedExtrinsic[] = [];
    for (let number = this.#finalized.head.number + 1; number <= this.#best.head.number; number++)
      for (const { extrinsic } of this.at(number)?.extrinsics.values() ?? []) extrinsics.push(extrinsic);
    extrinsics.push(...this.pool.values());
    const madeUp: SimulatedBlock[] = [];
    for (let last = this.#finalized; madeUp.length < count; madeUp.push(last)) {
      const content = new Content(last, this.#isFiltering);
      for (const extrinsic of extrinsics) content.apply(extrinsic);
      last = this.#append(last.head.hash, last.head.number + 1, content);
    }
    this.#madeUp = madeUp;
    for (const block of madeUp) this.#everMadeUp.set(block.head.hash, block);
    this.#tell();
  }

  wasMadeUp(hash: Hex): boolean {
    return this.#everMadeUp.has(hash);
  }

  /** Of all blocks that were ever made up. */
  messagesMadeUp(): OutboundMessage[] {
    return [...this.#everMadeUp.values()].flatMap(({ messages }) => messages);
  }

  /** The node is found out: it has the blocks that there are. */
  takeBack(): void {
    this.#madeUp = [];
    this.#tell();
  }

  /** Has a message stand in the next block, whoever signs for it: an extrinsic of an account of its own. */
  pass(sender: MessageSender, { destination, payload }: Pick<OutboundMessage, 'destination' | 'payload'>): void {
    const account = toHex(blake2b(new Writer().u32(this.#passed++).finish(), { dkLen: 32 }));
    const bytes = new Uint8Array();
    const death = this.#best.head.number + 1_000;
    const message = { sender, destination, payload };
    this.pool.set(account, {
      ...{ bytes, hash: account, account, nonce: 0, anchor: 0, death, calls: [], batch: 'all', message },
    });
  }

  /** The runtime's call filter refuses whatever is in the next blocks. */
  set isFiltering(isFiltering: boolean) {
    this.#isFiltering = isFiltering;
    this.#hasFiltered ||= isFiltering;
  }

  /** An extrinsic that somebody else has signed for this account comes first in the next block. */
  submitFirst(calls: readonly Call[], account: Hex): void {
    const salt = new Writer().u32(this.#passed++).finish();
    const hash = toHex(blake2b(salt, { dkLen: 32 }));
    const nonce = this.#best.nonces.get(account) ?? 0;
    const anchor = this.#best.head.number;
    const first = {
      hash,
      account,
      nonce,
      calls,
      anchor,
      death: anchor + simulatedEra,
      bytes: bytesOf(calls, 'all', salt),
    };
    const others = [...this.pool];
    this.pool.clear();
    for (const [key, extrinsic] of [[hash, { ...first, batch: 'all' }] as const, ...others])
      this.pool.set(key, extrinsic);
  }

  /** A filter that refuses calls for a while is taken into account once there was one. */
  get messageCalls(): MessageCalls {
    return { one, all, mostCalls: Infinity, mayPause: this.#hasFiltered };
  }

  /** Builds a block of what is ready in the pool, or of nothing. */
  build({ isEmpty = false } = {}): SimulatedBlock {
    const number = this.#best.head.number + 1;
    for (const [hash, extrinsic] of this.pool) if (this.#isDead(extrinsic)) this.pool.delete(hash);
    const content = new Content(this.#best, this.#isFiltering);
    if (!isEmpty)
      for (let isAny = true; isAny;) {
        isAny = false;
        for (const [hash, extrinsic] of this.pool)
          if (content.apply(extrinsic)) {
            this.pool.delete(hash);
            isAny = true;
          }
      }
    this.#best = this.#append(this.#best.head.hash, number, content);
    this.#tell();
    return this.#best;
  }

  /** Makes an earlier block the best one, not below the finalized one; its extrinsics wait again or are lost. */
  reorg(depth: number, isKept: boolean): void {
    for (let left = depth; left > 0 && this.#best !== this.#finalized; left--) {
      const { head, extrinsics } = this.#best;
      if (isKept) for (const { extrinsic } of extrinsics.values()) this.pool.set(extrinsic.hash, extrinsic);
      this.#best = this.#blocks.get(head.parentHash) ?? this.#best;
    }
    // Nodes tell of a new best block only.
    this.build({ isEmpty: true });
  }

  /** Finalizes all but the newest blocks. */
  finalize(lag = 0): void {
    const block = this.at(this.#best.head.number - lag);
    if (block === undefined || block.head.number <= this.#finalized.head.number) return;
    this.#finalized = block;
    this.#tell();
  }

  #append(parentHash: Hex, number: BlockNumber, content: Omit<SimulatedBlock, 'head'>): SimulatedBlock {
    const hash = toHex(blake2b(new Writer().u32(number).u32(this.#built++).finish(), { dkLen: 32 }));
    const { messages, extrinsics, nonces, sequences } = content;
    const block = { head: { number, hash, parentHash, stateRoot: hash }, messages, extrinsics, nonces, sequences };
    this.#blocks.set(hash, block);
    return block;
  }

  #tell(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}

/** Of the calls that have signed messages posted. */
const [one, all] = ['0x5500', '0x0302'] as const;

const lengthOfSignature = 64;

/** Laid out as on a real chain, of the calls no more than messages of workers. `salt`, 64 bytes at most, is what differs of others like it. */
export function bytesOf(calls: readonly Call[], batch: 'all' | 'each', salt: Uint8Array): Uint8Array {
  const writer = new Writer().compactLength(0).u8(0x84).u8(0).raw(new Uint8Array(32)).u8(1);
  writer.raw(salt).raw(new Uint8Array(lengthOfSignature - salt.length));
  const [era, nonce, tip] = [0, 0, 0];
  writer.u8(era).u8(nonce).u8(tip);
  const isAll = batch === 'all' && calls.every(({ kind }) => kind === 'sync-offchain-message');
  if (calls.length !== 1) writer.raw(fromHex(isAll ? all : '0xffff')).compactLength(calls.length);
  for (const call of calls) {
    if (call.kind !== 'sync-offchain-message') continue;
    const { worker, destination, payload, sequence, signature } = call;
    writer.raw(fromHex(one));
    writer.u8(2).raw(fromHex(worker)).bytes(destination).bytes(payload).u64(sequence).bytes(signature);
  }
  return writer.finish();
}

/** A block that is being built. */
class Content implements Omit<SimulatedBlock, 'head'> {
  readonly messages: OutboundMessage[] = [];
  readonly extrinsics = new Map<Hex, Outcome>();
  readonly nonces: Map<Hex, number>;
  sequences: Map<Hex, bigint>;
  readonly #isFiltering: boolean;

  constructor({ nonces, sequences }: State, isFiltering: boolean) {
    this.#isFiltering = isFiltering;
    this.nonces = new Map(nonces);
    this.sequences = new Map(sequences);
  }

  /** False where it is not its turn. */
  apply(extrinsic: SimulatedExtrinsic): boolean {
    const { account, nonce, calls, batch, hash } = extrinsic;
    if (nonce !== (this.nonces.get(account) ?? 0)) return false;
    this.nonces.set(account, nonce + 1);
    if (extrinsic.message !== undefined) this.messages.push(extrinsic.message);
    const [messages, sequences] = [this.messages.length, new Map(this.sequences)];
    const failures = calls.flatMap((call, index): ItemFailure[] => {
      if (this.#isFiltering) return [{ index, pallet: 'System', error: 'CallFiltered' }];
      const error = this.#call(call, account);
      return error === undefined ? [] : [{ index, pallet: 'PhalaMq', error }];
    });
    const isFailed = failures.length > 0 && (batch === 'all' || calls.length === 1);
    if (isFailed) {
      this.messages.length = messages;
      this.sequences = sequences;
    }
    this.extrinsics.set(hash, { extrinsic, failures, isFailed });
    return true;
  }

  #call(call: Call, account: Hex): string | undefined {
    if (call.kind === 'push-message') {
      const { destination, payload } = call;
      this.messages.push({ sender: { kind: 'account', id: account }, destination, payload });
    }
    if (call.kind === 'sync-offchain-message') {
      const { worker, sequence, destination, payload } = call;
      if (sequence !== (this.sequences.get(worker) ?? 0n)) return 'BadSequence';
      if (!isSigned(call)) return 'BadSender';
      this.sequences.set(worker, sequence + 1n);
      this.messages.push({ sender: { kind: 'worker', id: worker }, destination, payload });
    }
    return undefined;
  }
}

const signed = new WeakMap<Call, boolean>();

function isSigned(call: Extract<Call, { kind: 'sync-offchain-message' }>): boolean {
  const known = signed.get(call);
  if (known !== undefined) return known;
  const { worker, sequence, signature } = call;
  const isValid = verify(fromHex(worker), workerMessageContent(call, sequence), signature);
  signed.set(call, isValid);
  return isValid;
}
