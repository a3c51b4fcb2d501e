import assert from 'node:assert/strict';
import type { Account, Call } from '../../../src/chain/index.ts';
import { equalBytes, type Hex } from '../../../src/codec/index.ts';
import { isRelayError, type ErrorCode } from '../../../src/errors/index.ts';
import { createOutbox, openOutboxQueue, type Outbox, type Receipt } from '../../../src/outbox/index.ts';
import { createMemoryVault } from '../../../src/vault/index.ts';
import type { Span } from '../../soak/gaps.ts';
import type { Copy } from '../../soak/postings.ts';
import { alice, bob } from '../../support/entities.ts';
import { Lives, type Parts } from '../../support/simulation/lives.ts';
import type { Death } from '../../support/simulation/mortal-store.ts';
import { simulatedEra } from '../../support/simulation/simulated-chain.ts';
import { BothWays } from './both-ways.ts';
import { commandTopic, judgeOutbox, unended, type OutboxEvidence } from './judgement.ts';
import { headerOf, Recipients } from './recipients.ts';
import { SentLedger, type Kind, type Sent } from './sent-ledger.ts';
import { SimulatedRelay, undelivered, type RelayState } from './simulated-relay.ts';

type Via = 'chain' | 'relay' | 'auto';

type SignedCall = Extract<Call, { readonly kind: 'sync-offchain-message' }>;

/** Whoever posts what it finds in the pool. */
const thief: Hex = `0x${'77'.repeat(32)}`;
/** Of these it is retried by hand. */
const retriable: ReadonlySet<string> = new Set(['extrinsic-rejected', 'dispatch-failed']);
/** What is in the way on the chain's side. */
const chainSetbacks: ReadonlySet<string> = new Set(['balance-too-low', 'pool-full']);
/** Blocks in which all that is queued must have come in, whatever went before. */
const mostBlocks = 8 * simulatedEra;

/** The real outbox over a chain in memory. Whether it was once, and in order, the chain itself tells at the end. */
export class OutboxWorld {
  readonly lives: Lives;
  readonly #vault = createMemoryVault();
  readonly #recipients: Recipients;
  readonly #account: Account = alice;
  readonly #sent = new SentLedger();
  /** Texts. */
  readonly #givenUp = new Set<string>();
  readonly #retried = new Set<string>();
  readonly #retriedIds = new Set<bigint>();
  readonly #mayFailWith = new Set<string>();
  readonly #copies: Copy[] = [];
  readonly #copiedCommands = new Set<string>();
  #isWorkerShared = false;
  readonly #unknown: Span[] = [];
  readonly #ways: BothWays;
  readonly #relay: SimulatedRelay;
  #hasAccount = true;
  #outbox: Outbox | undefined;
  #count = 0;

  constructor(death?: Death) {
    this.lives = new Lives(death, (parts) => this.#begin(parts));
    const { genesisHash } = this.lives.chain;
    this.#recipients = new Recipients(genesisHash);
    this.#ways = new BothWays(this.lives.disk);
    const [recipients, ways] = [this.#recipients, this.#ways];
    this.#relay = new SimulatedRelay({ genesisHash, recipients, ways, retried: this.#retriedIds });
    this.lives.onQuiet = async () => {
      await this.#relay.lookAtDeliveries(this.lives.disk);
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
    await this.#sent.complete(openOutboxQueue(this.lives.disk));
    await this.#ways.begin(this.#hasAccount);
    this.#outbox = createOutbox({
      ...{ chain, store, vault: this.#vault, directory: await this.#recipients.directory() },
      ...(this.#hasAccount ? { account: this.#account } : {}),
      carrier: this.#relay.carrierOf(life),
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

  /** The recipients take what the relay has. */
  async takeMail(): Promise<void> {
    this.#relay.handOver();
    await this.lives.settle();
  }

  /** @param which of the two recipients. */
  async send(as: Kind, via: Via, which: 0 | 1 = 0): Promise<void> {
    const to = this.#recipients.ids[which] ?? assert.fail('there are two');
    const sent = this.#sent.meant({ suite: 'v1', as, to, text: `${as} ${this.#count++}` });
    const body = { kind: 'data', content: new TextEncoder().encode(sent.text) } as const;
    const asked = as === 'worker' && via !== 'chain' ? { deliveryReceipt: true as const } : {};
    await this.#note(sent, this.#outbox?.send({ to, body, as, via, ...asked }));
  }

  /** A command of Phala's form. */
  async sendCommand(as: Kind): Promise<void> {
    const [to = '0x'] = this.#recipients.ids;
    const sent = this.#sent.meant({ suite: 'phala', as, to, text: `command ${this.#count++}` });
    const content = new TextEncoder().encode(sent.text);
    const recipientKey = await this.#recipients.commandKey();
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
    this.#relay.state = state;
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
    if (equalBytes(destination, commandTopic)) this.#copiedCommands.add(await this.#recipients.commandIn(payload));
    else if ([...this.#recipients.topics.values()].some((topic) => equalBytes(topic, destination)))
      this.#copies.push({ sender: `worker ${worker}`, payload, ...headerOf(payload) });
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
      const left = await this.#untilNone(() =>
        unended(this.#evidence(), ({ via, as }) => via !== 'chain' && as === 'worker'),
      );
      if (left.length > 0) return [...left.map((what) => `without an account ${what}`), ...this.#ways.broken];
      await this.startAgain(true);
    }
    await this.#untilNone(() => judgeOutbox(this.#evidence()));
    // What came in stays in, and nothing comes after it.
    for (let block = 0; block < simulatedEra; block++) {
      await this.lives.build(false);
      await this.lives.finalize(0);
    }
    await this.takeMail();
    // Where the store refused the word it is asked for again.
    await this.relayIs('there');
    this.lives.end();
    const broken = [...(await judgeOutbox(this.#evidence())), ...(await undelivered(this.lives.disk))];
    return [...broken, ...this.#ways.broken, ...this.#relay.untrue];
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

  #evidence(): OutboxEvidence {
    const { chain, disk } = this.lives;
    return {
      ...{ chain, disk, recipients: this.#recipients, relay: this.#relay, sent: this.#sent },
      ids: { worker: this.#vault.identity, account: this.#account.id },
      ...{ givenUp: this.#givenUp, retried: this.#retried, mayFailWith: this.#mayFailWith },
      ...{ copies: this.#copies, copiedCommands: this.#copiedCommands, isWorkerShared: this.#isWorkerShared },
      unknown: this.#unknown,
    };
  }
}
