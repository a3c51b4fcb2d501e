import { isDeepStrictEqual } from 'node:util';
import type { Account } from '../../src/chain/index.ts';
import type { KeyDirectory } from '../../src/channel/index.ts';
import { decodeEnvelope, decodeSignedEnvelope, equalBytes, topicOf, type Hex } from '../../src/codec/index.ts';
import { isRelayError, RelayError, type ErrorCode } from '../../src/errors/index.ts';
import { createOutbox, openOutboxQueue, type OffChainCarrier, type Outbox } from '../../src/outbox/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import type { RecipientEntry, SenderEntry } from '../soak/ledger.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { judge, nameOf } from '../soak/verdict.ts';
import { alice, bob, directoryOf } from '../support/entities.ts';
import type { Life } from '../support/simulation/life.ts';
import { Lives, type Parts } from '../support/simulation/lives.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import { simulatedEra } from '../support/simulation/simulated-chain.ts';

type Kind = 'worker' | 'account';
type Via = 'chain' | 'relay' | 'auto';
/** How the relay of the recipient is: it may also take a message, and its answer is lost. */
type RelayState = 'there' | 'away' | 'losing answers';

const commandTopic = new TextEncoder().encode('commands');
/** What a command may fail with: nobody knows whether it came in, it was given up, or a node refused it. */
const mayFailWith: ReadonlySet<string> = new Set(['fate-unknown', 'send-cancelled', 'extrinsic-rejected']);

/** A command of Phala's form: it has no nonce by which a recipient would know it. */
interface Command {
  readonly as: Kind;
  readonly text: string;
  sendId: bigint | undefined;
}

/** What the relay took for the recipient. */
interface Relayed {
  readonly nonce: bigint;
  readonly text: string;
}

/** Blocks in which all that is queued must have come in, whatever went before. */
const mostBlocks = 8 * simulatedEra;

/** The real outbox over a chain in memory. Whether it was once, and in order, the chain itself tells at the end. */
export class OutboxWorld {
  readonly lives: Lives;
  readonly #vault = createMemoryVault();
  readonly #recipient = createMemoryVault();
  readonly #account: Account = alice;
  readonly #entries: Record<Kind, SenderEntry[]> = { worker: [], account: [] };
  readonly #texts = new Map<Uint8Array, string>();
  readonly #commands: Command[] = [];
  /** Of messages, by their numbers in the queue. */
  readonly #queued = new Map<bigint, { readonly text: string; readonly as: Kind; readonly nonce: bigint }>();
  /** Of these nothing is promised but that they come in once at most, and in order. */
  readonly #givenUp = new Set<string>();
  /** Retried by hand: what was sent later may have gone before. */
  readonly #retried = new Set<string>();
  readonly #onlyOffChain: string[] = [];
  readonly #relayed: Relayed[] = [];
  #relay: RelayState = 'there';
  /** What may have come in where no node has the blocks any more goes again. */
  #isFateUnknown = false;
  #directory: KeyDirectory | undefined;
  #outbox: Outbox | undefined;
  #life: Life | undefined;
  #count = 0;

  constructor(death?: Death) {
    this.lives = new Lives(death, (parts) => this.#begin(parts));
  }

  async #begin({ life, chain, store }: Parts): Promise<void> {
    this.#directory ??= await directoryOf(this.#recipient);
    this.#life = life;
    this.#outbox = createOutbox({
      ...{ chain, store, vault: this.#vault, directory: this.#directory, account: this.#account },
      carrier: this.#carrierOf(life),
      onNotice: ({ code }) => {
        if (code === 'fate-unknown') this.#isFateUnknown = true;
      },
    });
    void this.#outbox.start();
  }

  #carrierOf(life: Life): OffChainCarrier {
    return {
      canReach: () => true,
      carry: (signed) =>
        life.step(async () => {
          if (this.#relay === 'away')
            throw new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'it is away' } });
          const { envelope } = decodeSignedEnvelope(signed);
          const { nonce } = headerOf(envelope);
          const isKnown = this.#relayed.some((earlier) => earlier.nonce === nonce);
          if (!isKnown) this.#relayed.push({ nonce, text: await this.#textOf(envelope) });
          if (this.#relay === 'losing answers')
            throw new RelayError('relay-timeout', { details: { endpoint: 'simulated', timeoutMs: 1 } });
          return { endpoint: 'ws://simulated', status: isKnown ? 'duplicate' : 'stored' };
        }),
    };
  }

  async send(as: Kind, via: Via): Promise<void> {
    const [life, outbox] = [this.#life, this.#outbox];
    if (life === undefined || outbox === undefined) return;
    const text = `${as} ${this.#count++}`;
    const to = this.#recipient.identity;
    const entries = this.#entries[as];
    entries.push({ event: 'meant', to, text });
    if (via === 'relay') this.#onlyOffChain.push(text);
    const body = { kind: 'data', content: new TextEncoder().encode(text) } as const;
    void outbox.send({ to, body, as, via }).then(({ nonce, sendId }) => {
      if (life.isOver) return;
      entries.push({ event: 'queued', text, nonce: String(nonce) });
      this.#queued.set(sendId, { text, as, nonce });
    });
    await this.lives.settle();
  }

  /** A command of Phala's form. */
  async sendCommand(as: Kind): Promise<void> {
    const outbox = this.#outbox;
    if (outbox === undefined) return;
    const command: Command = { as, text: `command ${this.#count++}`, sendId: undefined };
    this.#commands.push(command);
    const [key] = await this.#recipient.ecdhKeys();
    const content = new TextEncoder().encode(command.text);
    const recipientKey = key?.publicKey ?? new Uint8Array();
    void outbox.send({ suite: 'phala', topic: commandTopic, content, recipientKey, as }).then(({ sendId }) => {
      command.sendId = sendId;
    });
    await this.lives.settle();
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
      await queue.cancel(sendId, { giveUp: true });
      this.#givenUp.add(this.#queued.get(sendId)?.text ?? '');
    } catch (error) {
      if (!isRelayError(error, 'too-late-to-cancel')) throw error;
    }
    await this.lives.settle();
  }

  /** Another process retries all that a node has refused. */
  async retryRefused(): Promise<void> {
    const queue = openOutboxQueue(this.lives.disk);
    for await (const { sendId, status } of queue.entries()) {
      if (status.state !== 'failed' || status.error.code !== 'extrinsic-rejected') continue;
      this.#retried.add(
        this.#queued.get(sendId)?.text ?? this.#commands.find((each) => each.sendId === sendId)?.text ?? '',
      );
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
    this.lives.line.denies = [...denials];
  }

  /** The node does not take the next extrinsic, and says so. */
  refuseNext(refusal: ErrorCode): void {
    this.lives.line.refuses = refusal;
  }

  /** Somebody else posts the first signed message of a worker that waits in the pool. */
  async steal(): Promise<void> {
    for (const { calls } of this.lives.chain.pool.values()) {
      const call = calls.find(({ kind }) => kind === 'sync-offchain-message');
      if (call === undefined) continue;
      this.lives.chain.submitFirst([call], bob.id);
      break;
    }
    await this.lives.settle();
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
    const message = { destination: new Uint8Array([1]), payload: new Uint8Array([1]) };
    const sequence = this.lives.chain.best.sequences.get(worker) ?? 0n;
    const signature = new Uint8Array(64); // nobody looks at it here
    this.lives.chain.submitFirst([{ kind: 'sync-offchain-message', worker, ...message, sequence, signature }], bob.id);
    await this.lives.settle();
  }

  /** Lets all come in and judges. */
  async end(): Promise<readonly string[]> {
    await this.lives.stayAway(false);
    await this.relayIs('there');
    let broken = await this.#judge();
    for (let block = 0; block < mostBlocks && broken.length > 0; block++) {
      await this.lives.build(false);
      await this.lives.finalize(1);
      await this.relayIs('there');
      broken = await this.#judge();
    }
    // What came in stays in, and nothing comes after it.
    for (let block = 0; block < simulatedEra; block++) {
      await this.lives.build(false);
      await this.lives.finalize(0);
    }
    this.lives.end();
    return this.#judge();
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
      received.push({ event: 'delivered', ...told, nonce: String(nonce) });
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
        received.push({ event: 'delivered', ...told });
      }
    const failed = await this.#failed();
    const verdict = judge({
      senders: (['worker', 'account'] as const).map((kind) => ({
        id: kind === 'worker' ? worker : `account ${this.#account.id}`,
        entries: [
          ...this.#entries[kind].filter((entry) => entry.event !== 'queued' || !this.#givenUp.has(entry.text)),
          ...[...this.#queued].flatMap(([sendId, { as, nonce }]): SenderEntry[] => {
            const code = as === kind ? failed.get(sendId) : undefined;
            return code === undefined ? [] : [{ event: 'failed', to, nonce: String(nonce), code }];
          }),
        ],
      })),
      recipients: [{ id: to, finality: 'finalized', entries: received }],
      posted,
      reposted: new Map(this.#isFateUnknown ? posted.map((message) => [nameOf(message), Infinity]) : []),
      relayed: new Set(this.#relayed.map(({ text }) => text)),
      unordered: this.#retried,
    });
    return [...verdict.broken, ...this.#brokenOffChain(), ...(await this.#brokenByCommands(failed))];
  }

  /** What goes off chain alone goes in order. */
  #brokenOffChain(): string[] {
    const went = this.#relayed.map(({ text }) => text).filter((text) => this.#onlyOffChain.includes(text));
    const meant = this.#onlyOffChain.filter((text) => went.includes(text));
    return isDeepStrictEqual(went, meant) ? [] : [`the relay was given ${went.join(', ')}`];
  }

  /** Of those that have: with which code. */
  async #failed(): Promise<ReadonlyMap<bigint, string>> {
    const codes = new Map<bigint, string>();
    for await (const { sendId, status } of openOutboxQueue(this.lives.disk).entries())
      if (status.state === 'failed') codes.set(sendId, status.error.code);
    return codes;
  }

  /** Each once, in order; where that can't be known it fails, and is in a block once or not at all. */
  async #brokenByCommands(codes: ReadonlyMap<bigint, string>): Promise<string[]> {
    const posted: Record<Kind, string[]> = { worker: [], account: [] };
    for (let number = 1; number <= this.lives.chain.finalized.head.number; number++)
      for (const { sender, destination, payload } of this.lives.chain.at(number)?.messages ?? [])
        if (sender.kind !== 'other' && equalBytes(destination, commandTopic))
          posted[sender.kind].push(await this.#commandIn(payload));
    const broken: string[] = [];
    for (const { as, text, sendId } of this.#commands) {
      const times = posted[as].filter((each) => each === text).length;
      const code = sendId === undefined ? undefined : codes.get(sendId);
      if (times > 1) broken.push(`"${text}" of the ${as} was posted ${times} times`);
      if (code !== undefined && !mayFailWith.has(code)) broken.push(`"${text}" of the ${as} failed with ${code}`);
      if (sendId !== undefined && code === undefined && times === 0)
        broken.push(`"${text}" of the ${as} was queued, has not failed, and is in no block`);
    }
    for (const as of ['worker', 'account'] as const) {
      const came = [...new Set(posted[as])].filter((text) => !this.#retried.has(text));
      const inOrder = this.#commands.map(({ text }) => text).filter((text) => came.includes(text));
      if (!this.#isFateUnknown && !isDeepStrictEqual(came, inOrder))
        broken.push(`commands of the ${as} came in as ${came.join(', ')}`);
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
