import type { Account, Call } from '../../src/chain/index.ts';
import type { KeyDirectory } from '../../src/channel/index.ts';
import {
  decodeEnvelope,
  decodeSignedEnvelope,
  equalBytes,
  messageId,
  topicOf,
  type Hex,
} from '../../src/codec/index.ts';
import { isRelayError, RelayError, type ErrorCode } from '../../src/errors/index.ts';
import {
  createOutbox,
  openOutboxQueue,
  type OffChainCarrier,
  type Outbox,
  type OutboxEntry,
  type Receipt,
} from '../../src/outbox/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import type { Span } from '../soak/gaps.ts';
import type { RecipientEntry, SenderEntry } from '../soak/ledger.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { nameOf, type Copy } from '../soak/postings.ts';
import { judge } from '../soak/verdict.ts';
import { alice, bob, directoryOf } from '../support/entities.ts';
import type { Life } from '../support/simulation/life.ts';
import { Lives, type Parts } from '../support/simulation/lives.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import { simulatedEra } from '../support/simulation/simulated-chain.ts';
import { BothWays } from './both-ways.ts';
import { brokenByCommands } from './posted-commands.ts';
import { SentLedger, type Kind, type Sent } from './sent-ledger.ts';

type Via = 'chain' | 'relay' | 'auto';
/** How the relay of the recipient is: it may also take a message, and its answer is lost. */
type RelayState = 'there' | 'away' | 'losing answers';

type SignedCall = Extract<Call, { readonly kind: 'sync-offchain-message' }>;

/** Whoever posts what it finds in the pool. */
const thief: Hex = `0x${'77'.repeat(32)}`;
const commandTopic = new TextEncoder().encode('commands');
/** Of these it is retried by hand. */
const retriable: ReadonlySet<string> = new Set(['extrinsic-rejected', 'dispatch-failed']);
/** What is in the way on the chain's side. */
const chainSetbacks: ReadonlySet<string> = new Set(['balance-too-low', 'pool-full']);

/** What the relay took for the recipient. */
interface Relayed {
  readonly nonce: bigint;
  readonly text: string;
}

/** Who asks whether the recipient has taken a message from the relay. */
interface DeliveryWait {
  readonly messageId: Hex;
  readonly tell: () => void;
}

/** Blocks in which all that is queued must have come in, whatever went before. */
const mostBlocks = 8 * simulatedEra;

/** The real outbox over a chain in memory. Whether it was once, and in order, the chain itself tells at the end. */
export class OutboxWorld {
  readonly lives: Lives;
  readonly #vault = createMemoryVault();
  readonly #recipient = createMemoryVault();
  readonly #account: Account = alice;
  readonly #sent = new SentLedger();
  readonly #texts = new Map<Uint8Array, string>();
  /** Of these nothing is promised but that they come in once at most, and in order. */
  readonly #givenUp = new Set<string>();
  /** Retried by hand: what was sent later may have gone before. */
  readonly #retried = new Set<string>();
  readonly #retriedIds = new Set<bigint>();
  readonly #relayed: Relayed[] = [];
  /** Ids under which the relay took messages; whether the recipient has taken them from there. */
  readonly #taken = new Map<Hex, boolean>();
  #waits: DeliveryWait[] = [];
  /** When messages were delivered, by the first that was told of it. */
  readonly #delivered = new Map<bigint, number>();
  readonly #untrue: string[] = [];
  /** What is posted may fail with: what the schedule has done to it. */
  readonly #mayFailWith = new Set<string>();
  /** Of the worker's messages, what others took out of the pool and posted. */
  readonly #copies: Copy[] = [];
  readonly #copiedCommands = new Set<string>();
  #isWorkerShared = false;
  #relay: RelayState = 'there';
  /** Blocks that no node has any more: what may have come in there goes again. */
  readonly #unknown: Span[] = [];
  readonly #ways: BothWays;
  #hasAccount = true;
  #directory: KeyDirectory | undefined;
  #outbox: Outbox | undefined;
  #count = 0;

  constructor(death?: Death) {
    this.lives = new Lives(death, (parts) => this.#begin(parts));
    this.#ways = new BothWays(this.lives.disk);
    this.lives.onQuiet = async () => {
      await this.#lookAtDeliveries();
      await this.#ways.quiet();
    };
    this.lives.line.posts = (calls) => {
      this.#ways.posting(calls, this.#vault.identity);
    };
  }

  /** Queued, commands too. */
  get messages(): number {
    return this.#sent.countQueued;
  }

  async #begin({ life, chain, store }: Parts): Promise<void> {
    this.#directory ??= await directoryOf(this.#recipient);
    await this.#sent.complete(openOutboxQueue(this.lives.disk));
    await this.#ways.begin(this.#hasAccount);
    this.#outbox = createOutbox({
      ...{ chain, store, vault: this.#vault, directory: this.#directory },
      ...(this.#hasAccount ? { account: this.#account } : {}),
      carrier: this.#carrierOf(life),
      onSetback: ({ code }) => {
        if (!life.isOver && chainSetbacks.has(code)) this.#ways.refused();
      },
      onNotice: ({ code, details }) => {
        if (code === 'fate-unknown')
          this.#unknown.push({ first: Number(details?.['first']), last: Number(details?.['last']) });
      },
    });
    // Who runs it starts it again.
    this.#outbox.start().catch((error: unknown) => {
      if (!isRelayError(error, 'store-failed')) throw error;
      life.end();
    });
  }

  #carrierOf(life: Life): OffChainCarrier {
    return {
      canReach: () => true,
      carry: (signed) =>
        life.step(async () => {
          const { envelope } = decodeSignedEnvelope(signed);
          const { nonce } = headerOf(envelope);
          const id = messageId({ genesisHash: this.lives.chain.genesisHash, envelope });
          await this.#ways.carrying(nonce, this.#retriedIds);
          if (this.#relay !== 'there') this.#ways.notCarried(nonce);
          if (this.#relay === 'away')
            throw new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'it is away' } });
          const isKnown = this.#relayed.some((earlier) => earlier.nonce === nonce);
          if (!isKnown) this.#relayed.push({ nonce, text: await this.#textOf(envelope) });
          if (!this.#taken.has(id)) this.#taken.set(id, false);
          if (this.#relay === 'losing answers')
            throw new RelayError('relay-timeout', { details: { endpoint: 'simulated', timeoutMs: 1 } });
          return { endpoint: 'ws://simulated', status: isKnown ? 'duplicate' : 'stored' };
        }),
      awaitDelivered: async ({ messageId }, signal) => {
        const isTaken = await life.step(() => this.#taken.get(messageId));
        if (isTaken === undefined) throw new RelayError('unknown-message', { details: { messageId, to: 'bob' } });
        if (isTaken) return;
        await new Promise<void>((resolve, reject) => {
          this.#waits.push({ messageId, tell: resolve });
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        });
        await life.step(() => undefined);
      },
    };
  }

  /** The recipient takes what the relay has. */
  async takeMail(): Promise<void> {
    for (const id of this.#taken.keys()) this.#taken.set(id, true);
    const waits = this.#waits;
    this.#waits = [];
    for (const { tell } of waits) tell();
    await this.lives.settle();
  }

  /** What is kept of deliveries: only of what the relay had and the recipient took, once, and the same for ever. */
  async #lookAtDeliveries(): Promise<void> {
    for await (const { sendId, status, delivered } of openOutboxQueue(this.lives.disk).entries()) {
      if (delivered === undefined) continue;
      const { deliveredAt } = delivered;
      const isTaken = status.state === 'relayed' && this.#taken.get(status.messageId) === true;
      if (!isTaken) this.#untrue.push(`message ${sendId} is ${status.state} and was delivered, they say`);
      const first = this.#delivered.get(sendId) ?? deliveredAt;
      this.#delivered.set(sendId, first);
      if (first !== deliveredAt) this.#untrue.push(`message ${sendId} was delivered twice`);
    }
  }

  /** Of what went by the relay, and was asked about: all that its recipient has taken. */
  async #undelivered(): Promise<string[]> {
    const broken: string[] = [];
    for await (const { sendId, status, deliveryReceipt, delivered } of openOutboxQueue(this.lives.disk).entries())
      if (deliveryReceipt === true && status.state === 'relayed' && delivered === undefined)
        broken.push(`message ${sendId} was delivered, and nobody knows`);
    return broken;
  }

  async send(as: Kind, via: Via): Promise<void> {
    const sent = this.#sent.meant('v1', as, `${as} ${this.#count++}`);
    const to = this.#recipient.identity;
    const body = { kind: 'data', content: new TextEncoder().encode(sent.text) } as const;
    const asked = as === 'worker' && via !== 'chain' ? { deliveryReceipt: true as const } : {};
    await this.#note(sent, this.#outbox?.send({ to, body, as, via, ...asked }));
  }

  /** A command of Phala's form. */
  async sendCommand(as: Kind): Promise<void> {
    const [key] = await this.#recipient.ecdhKeys();
    const sent = this.#sent.meant('phala', as, `command ${this.#count++}`);
    const content = new TextEncoder().encode(sent.text);
    const recipientKey = key?.publicKey ?? new Uint8Array();
    await this.#note(sent, this.#outbox?.send({ suite: 'phala', topic: commandTopic, content, recipientKey, as }));
  }

  async #note(sent: Sent, sending: Promise<Pick<Receipt, 'sendId' | 'nonce'>> | undefined): Promise<void> {
    void sending?.then(
      (receipt) => {
        this.#sent.queued(sent, receipt);
      },
      (error: unknown) => {
        const isExpected =
          isRelayError(error, 'store-failed') || (isRelayError(error, 'no-account') && !this.#hasAccount);
        if (!isExpected) throw error;
        this.#sent.refused(sent);
      },
    );
    await this.lives.settle();
  }

  /** The process is killed, and started again with an account or without. */
  async startAgain(hasAccount: boolean): Promise<void> {
    this.#hasAccount = hasAccount;
    await this.lives.kill();
  }

  /** The runtime refuses whatever is called, or does so no more. */
  filter(isFiltering: boolean): void {
    if (isFiltering) this.#mayFailWith.add('dispatch-failed');
    this.lives.chain.isFiltering = isFiltering;
  }

  /** Another process gives up one of the messages that are not at their end. */
  async giveUpMessage(which: number): Promise<void> {
    const queue = openOutboxQueue(this.lives.disk);
    const open: bigint[] = [];
    for await (const { sendId, status } of queue.entries())
      if (status.state === 'queued' || status.state === 'submitted') open.push(sendId);
    const sendId = open[which % Math.max(open.length, 1)];
    if (sendId === undefined) return;
    try {
      this.#mayFailWith.add('send-cancelled');
      await queue.cancel(sendId, { giveUp: true });
      this.#givenUp.add(this.#sent.of(sendId)?.text ?? '');
    } catch (error) {
      if (!isRelayError(error, 'too-late-to-cancel')) throw error;
    }
    await this.lives.settle();
  }

  /** Another process retries all that a node has refused. */
  async retryRefused(): Promise<void> {
    const queue = openOutboxQueue(this.lives.disk);
    for await (const { sendId, status } of queue.entries()) {
      if (status.state !== 'failed' || !retriable.has(status.error.code)) continue;
      this.#retriedIds.add(sendId);
      this.#retried.add(this.#sent.of(sendId)?.text ?? '');
      await queue.retry(sendId);
    }
    await this.lives.settle();
  }

  async relayIs(state: RelayState): Promise<void> {
    this.#relay = state;
    this.#outbox?.tryAgain();
    await this.lives.settle();
  }

  /** What waits in the pool dies of age. */
  async outliveEras(): Promise<void> {
    for (let n = 0; n <= simulatedEra; n++) this.lives.chain.build({ isEmpty: true });
    await this.lives.settle();
  }

  /** The next extrinsic does not get through, or the node's answer to it does not. */
  loseNext(what: 'extrinsic' | 'answer'): void {
    this.lives.line.loses = what;
  }

  /** The node takes the next extrinsics, and says of each that it does not. */
  denyNext(denials: readonly ErrorCode[]): void {
    this.#mayRefuse(denials);
    this.lives.line.denies = [...denials];
  }

  /** The node does not take the next extrinsic, and says so. */
  refuseNext(refusal: ErrorCode): void {
    this.#mayRefuse([refusal]);
    this.lives.line.refuses = refusal;
  }

  #mayRefuse(refusals: readonly ErrorCode[]): void {
    for (const refusal of refusals) if (retriable.has(refusal)) this.#mayFailWith.add(refusal);
  }

  /** The node forgets what is final: states, or extrinsics too, so that nobody can know what became of a command. */
  async prune(what: { readonly bodies: boolean }): Promise<void> {
    if (what.bodies) this.#mayFailWith.add('fate-unknown');
    await this.lives.prune(what);
  }

  /** Somebody else posts one of the signed messages of the worker that wait in the pool. */
  async steal(which: number): Promise<void> {
    const signed = [...this.lives.chain.pool.values()].flatMap(({ calls }) =>
      calls.filter((call) => call.kind === 'sync-offchain-message' && call.worker === this.#vault.identity),
    ) as SignedCall[];
    const call = signed[which % Math.max(signed.length, 1)];
    if (call === undefined) return;
    await this.#noteCopy(call);
    this.lives.chain.submitFirst([call], thief);
    await this.lives.settle();
  }

  async #noteCopy({ worker, destination, payload }: SignedCall): Promise<void> {
    const to = this.#recipient.identity;
    if (equalBytes(destination, commandTopic)) this.#copiedCommands.add(await this.#commandIn(payload));
    if (!equalBytes(destination, topicOf(to))) return;
    this.#copies.push({ sender: `worker ${worker}`, to, payload, nonce: headerOf(payload).nonce });
  }

  /** The node calls what waits invalid, and another one keeps it. */
  async giveUp(): Promise<void> {
    this.lives.chain.giveUp();
    await this.lives.settle();
  }

  /** A block of the node that kept it. */
  async buildElsewhere(): Promise<void> {
    this.lives.chain.buildElsewhere();
    await this.lives.settle();
  }

  /** Other software of the same account takes its next nonce. */
  async compete(): Promise<void> {
    this.lives.chain.submitFirst([], this.#account.id);
    await this.lives.settle();
  }

  /** Other software of the worker uses its next sequence, for something else. */
  async shareWorker(): Promise<void> {
    const { identity: worker } = this.#vault;
    this.#isWorkerShared = true;
    const message = { destination: new Uint8Array([1]), payload: new Uint8Array([1]) };
    const sequence = this.lives.chain.best.sequences.get(worker) ?? 0n;
    const signature = await this.#vault.sign({ type: 'worker-message', ...message, sequence });
    this.lives.chain.submitFirst([{ kind: 'sync-offchain-message', worker, ...message, sequence, signature }], bob.id);
    await this.lives.settle();
  }

  /** Lets all come in and judges. */
  async end(): Promise<readonly string[]> {
    await this.lives.stayAway(false);
    await this.relayIs('there');
    this.filter(false);
    if (!this.#hasAccount) {
      const left = await this.#untilNone(() => this.#unended(({ via, as }) => via !== 'chain' && as === 'worker'));
      if (left.length > 0) return [...left.map((what) => `without an account ${what}`), ...this.#ways.broken];
      await this.startAgain(true);
    }
    await this.#untilNone(() => this.#judge());
    // What came in stays in, and nothing comes after it.
    for (let block = 0; block < simulatedEra; block++) {
      await this.lives.build(false);
      await this.lives.finalize(0);
    }
    await this.takeMail();
    // Where the store refused the word it is asked for again.
    await this.relayIs('there');
    this.lives.end();
    return [...(await this.#judge()), ...(await this.#undelivered()), ...this.#untrue];
  }

  /** Builds blocks until nothing is wrong, or long enough. */
  async #untilNone(look: () => Promise<string[]>): Promise<string[]> {
    let broken = await look();
    for (let block = 0; block < mostBlocks && broken.length > 0; block++) {
      await this.lives.build(false);
      await this.lives.finalize(1);
      await this.relayIs('there');
      broken = await look();
    }
    return broken;
  }

  /** Of these, what has no end, or one that it may not have. */
  async #unended(among: (entry: OutboxEntry) => boolean = () => true): Promise<string[]> {
    const broken: string[] = [];
    for await (const entry of openOutboxQueue(this.lives.disk).entries()) {
      const { sendId, status, suite } = entry;
      if (!among(entry) || status.state === 'finalized' || status.state === 'relayed') continue;
      if (status.state !== 'failed') broken.push(`${suite} ${sendId} stays ${status.state}`);
      else if (!this.#mayFailWith.has(status.error.code) || (suite === 'v1' && status.error.code === 'fate-unknown'))
        broken.push(`${suite} ${sendId} failed with ${status.error.code}`);
    }
    return broken;
  }

  /** Whoever takes what the relay has, and reads the finalized blocks, takes each nonce once, as an inbox does. */
  async #judge(): Promise<string[]> {
    const to = this.#recipient.identity;
    const posted: PostedMessage[] = [];
    const received: RecipientEntry[] = [{ event: 'started' }];
    const seen = new Set<string>();
    const worker = `worker ${this.#vault.identity}`;
    for (const [i, { nonce, text }] of this.#relayed.entries()) {
      seen.add(nameOf({ sender: worker, to, nonce }));
      const told = {
        id: idOf(2 ** 32 + i),
        from: this.#vault.identity,
        fromKind: 'worker',
        text,
        isFinal: true,
      } as const;
      received.push({ event: 'delivered', ...told, nonce: String(nonce) }, { event: 'acknowledged', id: told.id });
    }
    for (let number = 1; number <= this.lives.chain.finalized.head.number; number++)
      for (const { sender, destination, payload } of this.lives.chain.at(number)?.messages ?? []) {
        if (sender.kind === 'other' || !equalBytes(destination, topicOf(to))) continue;
        const envelope = decodeEnvelope(payload);
        if (envelope.suite !== 'v1') continue;
        const { nonce } = envelope.header;
        const message = { block: number, sender: `${sender.kind} ${sender.id}`, to, payload, nonce };
        posted.push(message);
        if (seen.has(nameOf(message))) continue;
        seen.add(nameOf(message));
        const text = await this.#textOf(payload);
        const { kind: fromKind, id: from } = sender;
        const told = { id: idOf(posted.length), from, fromKind, nonce: String(nonce), text, isFinal: true };
        received.push({ event: 'delivered', ...told }, { event: 'acknowledged', id: told.id });
      }
    const failed = await this.#failed();
    const verdict = judge({
      senders: (['worker', 'account'] as const).map((kind) => ({
        id: kind === 'worker' ? worker : `account ${this.#account.id}`,
        isWorkerShared: kind === 'worker' && this.#isWorkerShared,
        entries: [
          ...this.#sent.entries(kind, to).filter((entry) => entry.event !== 'queued' || !this.#givenUp.has(entry.text)),
          ...this.#sent.messages.flatMap(({ as, text, entry }): SenderEntry[] => {
            const code =
              entry !== undefined && as === kind && !this.#givenUp.has(text) ? failed.get(entry.sendId) : undefined;
            return code === undefined ? [] : [{ event: 'failed', to, nonce: String(entry?.nonce), code }];
          }),
        ],
      })),
      recipients: [{ id: to, finality: 'finalized', entries: received }],
      posted,
      uncounted: new Set(posted.filter(({ block }) => this.#isUnknown(block)).map(nameOf)),
      relayed: new Set(this.#relayed.map(({ text }) => text)),
      unordered: this.#retried,
      mayFailWith: this.#mayFailWith,
      copies: this.#copies,
    });
    const others = await Promise.all([this.#brokenByCommands(failed), this.#unended()]);
    return [...verdict.broken, ...this.#sent.broken, ...this.#ways.broken, ...others.flat()];
  }

  #isUnknown(block: number): boolean {
    return this.#unknown.some(({ first, last }) => block >= first && block <= last);
  }

  /** Of those that have: with which code. */
  async #failed(): Promise<ReadonlyMap<bigint, string>> {
    const codes = new Map<bigint, string>();
    for await (const { sendId, status } of openOutboxQueue(this.lives.disk).entries())
      if (status.state === 'failed') codes.set(sendId, status.error.code);
    return codes;
  }

  async #brokenByCommands(failed: ReadonlyMap<bigint, string>): Promise<string[]> {
    const posted: Record<Kind, string[]> = { worker: [], account: [] };
    for (let number = 1; number <= this.lives.chain.finalized.head.number; number++)
      for (const { sender, destination, payload } of this.lives.chain.at(number)?.messages ?? [])
        if (sender.kind !== 'other' && equalBytes(destination, commandTopic))
          posted[sender.kind].push(await this.#commandIn(payload));
    // What others copied may be in before an earlier one whose sequence other software of the worker used.
    const isEarly = (text: string): boolean => this.#isWorkerShared && this.#copiedCommands.has(text);
    const mayMove = (text: string): boolean => this.#retried.has(text) || isEarly(text);
    return brokenByCommands({ sent: this.#sent.commands, posted, failed, mayMove });
  }

  async #commandIn(payload: Uint8Array): Promise<string> {
    const known = this.#texts.get(payload);
    if (known !== undefined) return known;
    // Behind its variant.
    const { content } = await this.#recipient.openPhala(payload.subarray(1));
    const text = new TextDecoder().decode(content);
    this.#texts.set(payload, text);
    return text;
  }

  async #textOf(envelope: Uint8Array): Promise<string> {
    const known = this.#texts.get(envelope);
    if (known !== undefined) return known;
    const { body } = await this.#recipient.open({ genesisHash: this.lives.chain.genesisHash, envelope });
    const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
    this.#texts.set(envelope, text);
    return text;
  }
}

function headerOf(envelope: Uint8Array): { readonly nonce: bigint } {
  const decoded = decodeEnvelope(envelope);
  if (decoded.suite !== 'v1') throw new TypeError('off chain only V1 travels');
  return decoded.header;
}

function idOf(n: number): Hex {
  return `0x${n.toString(16).padStart(64, '0')}`;
}
