import { isDeepStrictEqual } from 'node:util';
import type { Account } from '../../src/chain/index.ts';
import type { KeyDirectory } from '../../src/channel/index.ts';
import { decodeEnvelope, equalBytes, topicOf, type Hex } from '../../src/codec/index.ts';
import { isRelayError, type ErrorCode } from '../../src/errors/index.ts';
import { createOutbox, openOutboxQueue, type Outbox } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import type { RecipientEntry, SenderEntry } from '../soak/ledger.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { judge, nameOf, type Verdict } from '../soak/verdict.ts';
import { alice, bob, directoryOf } from '../support/entities.ts';
import { connectTo, type Line } from '../support/simulation/connect.ts';
import { idle } from '../support/simulation/idle.ts';
import { Life } from '../support/simulation/life.ts';
import { MortalStore, type Death, type Fate } from '../support/simulation/mortal-store.ts';
import { SimulatedChain, simulatedEra } from '../support/simulation/simulated-chain.ts';

type Kind = 'worker' | 'account';

const commandTopic = new TextEncoder().encode('commands');
/** What a command may fail with: nobody knows whether it came in, or whoever has its signature may still post it. */
const uncertain: ReadonlySet<string> = new Set(['fate-unknown', 'sequence-gap', 'send-cancelled']);

/** A command of Phala's form: it has no nonce by which a recipient would know it. */
interface Command {
  readonly as: Kind;
  readonly text: string;
  sendId: bigint | undefined;
}

/** Blocks in which all that is queued must have come in, whatever went before. */
const mostBlocks = 8 * simulatedEra;

/** The real outbox over a chain in memory. Whether it was once, and in order, the chain itself tells at the end. */
export class OutboxWorld {
  readonly #fate: Fate;
  readonly #chain = new SimulatedChain();
  readonly #disk = openMemoryStore();
  readonly #vault = createMemoryVault();
  readonly #recipient = createMemoryVault();
  readonly #account: Account = alice;
  readonly #entries: Record<Kind, SenderEntry[]> = { worker: [], account: [] };
  readonly #line: Line = {};
  readonly #texts = new Map<Uint8Array, string>();
  readonly #commands: Command[] = [];
  /** Of messages, by their numbers in the queue. */
  readonly #queued = new Map<bigint, string>();
  /** Of these nothing is promised but that they come in once at most, and in order. */
  readonly #givenUp = new Set<string>();
  /** What may have come in where no node has the blocks any more goes again. */
  #isFateUnknown = false;
  /** Other software of the worker posts as well. */
  #isWorkerShared = false;
  #directory: KeyDirectory | undefined;
  #running: { readonly life: Life; readonly outbox: Outbox } | undefined;
  #count = 0;

  constructor(death?: Death) {
    this.#fate = { commits: 0, death };
  }

  /** Of all lives so far. */
  get commits(): number {
    return this.#fate.commits;
  }

  async start(): Promise<void> {
    this.#directory ??= await directoryOf(this.#recipient);
    const life = new Life();
    const outbox = createOutbox({
      chain: connectTo(this.#chain, life, this.#line),
      vault: this.#vault,
      store: new MortalStore(this.#disk, life, this.#fate),
      directory: this.#directory,
      account: this.#account,
      onNotice: ({ code }) => {
        if (code === 'fate-unknown') this.#isFateUnknown = true;
      },
    });
    this.#running = { life, outbox };
    void outbox.start();
    await this.settle();
  }

  /** Lets the process do what it can; where it died, starts it again. */
  async settle(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    await idle(() => running.life.steps);
    if (running.life.isOver) await this.start();
  }

  async kill(): Promise<void> {
    this.#running?.life.end();
    await this.settle();
  }

  async send(as: Kind): Promise<void> {
    const { life, outbox } = this.#running ?? {};
    if (life === undefined || outbox === undefined) return;
    const text = `${as} ${this.#count++}`;
    const to = this.#recipient.identity;
    const entries = this.#entries[as];
    entries.push({ event: 'meant', to, text });
    const queue = async (): Promise<void> => {
      const receipt = await outbox.send({ to, body: { kind: 'data', content: new TextEncoder().encode(text) }, as });
      if (life.isOver) return;
      entries.push({ event: 'queued', text, nonce: String(receipt.nonce) });
      this.#queued.set(receipt.sendId, text);
      receipt.status$.subscribe((status) => {
        if (status.state !== 'failed') return;
        entries.push({ event: 'failed', to, nonce: String(receipt.nonce), code: status.error.code });
      });
    };
    void queue();
    await this.settle();
  }

  /** A command of Phala's form. Not as a worker that others post for: there it may change places (docs/outbox.md). */
  async sendCommand(as: Kind): Promise<void> {
    const { outbox } = this.#running ?? {};
    if (outbox === undefined || (as === 'worker' && this.#isWorkerShared)) return;
    const command: Command = { as, text: `command ${this.#count++}`, sendId: undefined };
    this.#commands.push(command);
    const [key] = await this.#recipient.ecdhKeys();
    const content = new TextEncoder().encode(command.text);
    const recipientKey = key?.publicKey ?? new Uint8Array();
    void outbox.send({ suite: 'phala', topic: commandTopic, content, recipientKey, as }).then(({ sendId }) => {
      command.sendId = sendId;
    });
    await this.settle();
  }

  /** Another process gives up one of the messages that are not at their end. */
  async giveUpMessage(which: number): Promise<void> {
    const queue = openOutboxQueue(this.#disk);
    const open: bigint[] = [];
    for await (const { sendId, status } of queue.entries())
      if (status.state === 'queued' || status.state === 'submitted') open.push(sendId);
    const sendId = open[which % Math.max(open.length, 1)];
    if (sendId === undefined) return;
    try {
      await queue.cancel(sendId, { giveUp: true });
      this.#givenUp.add(this.#queued.get(sendId) ?? '');
    } catch (error) {
      if (!isRelayError(error, 'too-late-to-cancel')) throw error;
    }
    await this.settle();
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

  /** What waits in the pool dies of age. */
  async outliveEras(): Promise<void> {
    for (let n = 0; n <= simulatedEra; n++) this.#chain.build({ isEmpty: true });
    await this.settle();
  }

  /** The next extrinsic does not get through, or the node's answer to it does not. */
  loseNext(what: 'extrinsic' | 'answer'): void {
    this.#line.loses = what;
  }

  /** The node takes the next extrinsics, and says of each that it does not. */
  denyNext(denials: readonly ErrorCode[]): void {
    this.#line.denies = [...denials];
  }

  /** Somebody else posts the first signed message of a worker that waits in the pool. */
  async steal(): Promise<void> {
    for (const { calls } of this.#chain.pool.values()) {
      const call = calls.find(({ kind }) => kind === 'sync-offchain-message');
      if (call === undefined) continue;
      this.#chain.submitFirst([call], bob.id);
      break;
    }
    await this.settle();
  }

  /** The node calls what waits invalid, and another one keeps it. */
  async giveUp(): Promise<void> {
    this.#chain.giveUp();
    await this.settle();
  }

  /** A block of the node that kept it. */
  async buildElsewhere(): Promise<void> {
    this.#chain.buildElsewhere();
    await this.settle();
  }

  /** The node forgets the states of what is final, or its extrinsics too. */
  async prune(what: { readonly bodies: boolean }): Promise<void> {
    this.#chain.prune(what);
    await this.settle();
  }

  /** Other software of the same account takes its next nonce. */
  async compete(): Promise<void> {
    this.#chain.submitFirst([], this.#account.id);
    await this.settle();
  }

  /** Other software of the worker uses its next sequence, for something else. */
  async shareWorker(): Promise<void> {
    if (this.#commands.some(({ as }) => as === 'worker')) return;
    this.#isWorkerShared = true;
    const { identity: worker } = this.#vault;
    const message = { destination: new Uint8Array([1]), payload: new Uint8Array([1]) };
    const sequence = this.#chain.best.sequences.get(worker) ?? 0n;
    const signature = new Uint8Array(64); // nobody looks at it here
    this.#chain.submitFirst([{ kind: 'sync-offchain-message', worker, ...message, sequence, signature }], bob.id);
    await this.settle();
  }

  /** Lets all come in and judges. */
  async end(): Promise<Verdict> {
    let verdict = await this.#judge();
    for (let block = 0; block < mostBlocks && verdict.broken.length > 0; block++) {
      await this.build(false);
      await this.finalize(1);
      verdict = await this.#judge();
    }
    // What came in stays in, and nothing comes after it.
    for (let block = 0; block < simulatedEra; block++) {
      await this.build(false);
      await this.finalize(0);
    }
    this.#running?.life.end();
    return this.#judge();
  }

  /** Whoever reads the finalized blocks takes each nonce once, as an inbox does. */
  async #judge(): Promise<Verdict> {
    const to = this.#recipient.identity;
    const posted: PostedMessage[] = [];
    const received: RecipientEntry[] = [{ event: 'started' }];
    const seen = new Set<string>();
    for (let number = 1; number <= this.#chain.finalized.head.number; number++)
      for (const { sender, destination, payload } of this.#chain.at(number)?.messages ?? []) {
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
        received.push({ event: 'delivered', ...told });
      }
    const verdict = judge({
      senders: (['worker', 'account'] as const).map((kind) => ({
        id: kind === 'worker' ? `worker ${this.#vault.identity}` : `account ${this.#account.id}`,
        entries: this.#entries[kind].filter((entry) => entry.event !== 'queued' || !this.#givenUp.has(entry.text)),
      })),
      recipients: [{ id: to, finality: 'finalized', entries: received }],
      posted,
      reposted: new Map(this.#isFateUnknown ? posted.map((message) => [nameOf(message), Infinity]) : []),
    });
    return { ...verdict, broken: [...verdict.broken, ...(await this.#brokenByCommands())] };
  }

  /** Each once, in order; where that can't be known it fails, and is in a block once or not at all. */
  async #brokenByCommands(): Promise<string[]> {
    const codes = new Map<bigint, string>();
    for await (const { sendId, status } of openOutboxQueue(this.#disk).entries())
      if (status.state === 'failed') codes.set(sendId, status.error.code);
    const posted: Record<Kind, string[]> = { worker: [], account: [] };
    for (let number = 1; number <= this.#chain.finalized.head.number; number++)
      for (const { sender, destination, payload } of this.#chain.at(number)?.messages ?? [])
        if (sender.kind !== 'other' && equalBytes(destination, commandTopic))
          posted[sender.kind].push(await this.#commandIn(payload));
    const broken: string[] = [];
    for (const { as, text, sendId } of this.#commands) {
      const times = posted[as].filter((each) => each === text).length;
      const code = sendId === undefined ? undefined : codes.get(sendId);
      if (times > 1) broken.push(`"${text}" of the ${as} was posted ${times} times`);
      if (code !== undefined && !uncertain.has(code)) broken.push(`"${text}" of the ${as} failed with ${code}`);
      if (sendId !== undefined && code === undefined && times === 0)
        broken.push(`"${text}" of the ${as} was queued, has not failed, and is in no block`);
    }
    for (const as of ['worker', 'account'] as const) {
      const inOrder = this.#commands.map(({ text }) => text).filter((text) => posted[as].includes(text));
      if (!this.#isFateUnknown && !isDeepStrictEqual([...new Set(posted[as])], inOrder))
        broken.push(`commands of the ${as} came in as ${posted[as].join(', ')}`);
    }
    return broken;
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
    const { body } = await this.#recipient.open({ genesisHash: this.#chain.genesisHash, envelope });
    const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
    this.#texts.set(envelope, text);
    return text;
  }
}

function idOf(n: number): Hex {
  return `0x${n.toString(16).padStart(64, '0')}`;
}
