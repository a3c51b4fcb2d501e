import { decodeSignedEnvelope, messageId, type Hex } from '../../../src/codec/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import { openOutboxQueue, type OffChainCarrier } from '../../../src/outbox/index.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import type { Life } from '../../support/simulation/life.ts';
import type { BothWays } from './both-ways.ts';
import { channelNonce, headerOf, type Recipients } from './recipients.ts';

/** It may also take a message, and its answer is lost. */
export type RelayState = 'there' | 'away' | 'losing answers';

/** What the relay took. */
interface Relayed {
  readonly to: Hex;
  readonly nonce: bigint;
  readonly text: string;
}

/** Who asks whether the recipient has taken a message from the relay. */
interface DeliveryWait {
  readonly messageId: Hex;
  readonly tell: () => void;
}

interface RelayParts {
  readonly genesisHash: Hex;
  readonly recipients: Recipients;
  readonly ways: BothWays;
  /** Sends that were queued again by hand. */
  readonly retried: ReadonlySet<bigint>;
}

/** The relay of the recipients, and what an outbox keeps of what becomes of messages there. */
export class SimulatedRelay {
  state: RelayState = 'there';
  readonly relayed: Relayed[] = [];
  readonly untrue: string[] = [];
  readonly #parts: RelayParts;
  /** Ids under which it took messages; whether the recipient has taken them from there. */
  readonly #taken = new Map<Hex, boolean>();
  #waits: DeliveryWait[] = [];
  /** When messages were delivered, by the first that was told of it. */
  readonly #delivered = new Map<bigint, number>();

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  carrierOf(life: Life): OffChainCarrier {
    return {
      canReach: () => true,
      carry: (signed) => life.step(() => this.#carry(signed)),
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

  async #carry(signed: Uint8Array): ReturnType<OffChainCarrier['carry']> {
    const { genesisHash, recipients, ways, retried } = this.#parts;
    const { envelope } = decodeSignedEnvelope(signed);
    const { to, nonce } = headerOf(envelope);
    const id = messageId({ genesisHash, envelope });
    await ways.carrying({ to, nonce }, retried);
    if (this.state !== 'there') ways.notCarried({ to, nonce });
    if (this.state === 'away')
      throw new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'it is away' } });
    const isKnown = this.relayed.some((earlier) => channelNonce(earlier) === channelNonce({ to, nonce }));
    if (!isKnown) this.relayed.push({ to, nonce, text: await recipients.textOf(envelope) });
    if (!this.#taken.has(id)) this.#taken.set(id, false);
    if (this.state === 'losing answers')
      throw new RelayError('relay-timeout', { details: { endpoint: 'simulated', timeoutMs: 1 } });
    return { endpoint: 'ws://simulated', status: isKnown ? 'duplicate' : 'stored' };
  }

  /** The recipients take what it has. */
  handOver(): void {
    for (const id of this.#taken.keys()) this.#taken.set(id, true);
    const waits = this.#waits;
    this.#waits = [];
    for (const { tell } of waits) tell();
  }

  /** What is kept of deliveries: only of what the relay had and the recipient took, once, and the same for ever. */
  async lookAtDeliveries(disk: TransactionalStore): Promise<void> {
    for await (const { sendId, status, delivered } of openOutboxQueue(disk).entries()) {
      if (delivered === undefined) continue;
      const { deliveredAt } = delivered;
      const isTaken = status.state === 'relayed' && this.#taken.get(status.messageId) === true;
      if (!isTaken) this.untrue.push(`message ${sendId} is ${status.state} and was delivered, they say`);
      const first = this.#delivered.get(sendId) ?? deliveredAt;
      this.#delivered.set(sendId, first);
      if (first !== deliveredAt) this.untrue.push(`message ${sendId} was delivered twice`);
    }
  }
}

/** Of what went by the relay, and was asked about: all that its recipient has taken. */
export async function undelivered(disk: TransactionalStore): Promise<string[]> {
  const broken: string[] = [];
  for await (const { sendId, status, deliveryReceipt, delivered } of openOutboxQueue(disk).entries())
    if (deliveryReceipt === true && status.state === 'relayed' && delivered === undefined)
      broken.push(`message ${sendId} was delivered, and nobody knows`);
  return broken;
}
