// What runs in the browser in outbox.test.ts: a sender whose queue outlives its page.
import {
  createCarrier,
  createMemoryVault,
  createRelayClient,
  createRelayOutbox,
  fromHex,
  isRelayError,
  keyPairFromSeed,
  openIndexedDbStore,
  type Hex,
  type RelayOutbox,
} from '../../src/web/browser.ts';

export interface Sender {
  /** Name of its store. */
  readonly store: string;
  readonly genesisHash: Hex;
  /** What a page gets from its user each time, in its own way. */
  readonly identitySeed: Hex;
  readonly ecdhSeed: Hex;
  readonly to: Hex;
  readonly ecdhKey: Hex;
  readonly endpoints: readonly string[];
  readonly patienceMs?: number;
}

let outbox: RelayOutbox | undefined;
let recipient: Hex = '0x';

const outboxPage = {
  /** The identity; or the code of what is in the way. */
  async start(sender: Sender): Promise<string> {
    const { genesisHash, identitySeed, ecdhSeed, to, ecdhKey, endpoints, store: name, patienceMs = 5_000 } = sender;
    try {
      const vault = createMemoryVault({ identity: keyPairFromSeed(identitySeed), ecdh: keyPairFromSeed(ecdhSeed) });
      const store = await openIndexedDbStore({ name, patienceMs });
      const peer = { current: { epoch: 0, ecdhKey: fromHex(ecdhKey), proven: true }, endpoints };
      const directory = { get: (id: Hex) => (id === to ? peer : undefined) };
      const client = createRelayClient({ genesisHash, allowPrivate: true });
      const carrier = createCarrier({ client, directory, entity: { vault, genesisHash }, allowPrivate: true });
      outbox = createRelayOutbox({ genesisHash, vault, store, directory, carrier });
      recipient = to;
      await outbox.start();
      return vault.identity;
    } catch (error) {
      if (!isRelayError(error)) throw error;
      return error.code;
    }
  },

  /** Queues messages from a number on, each once the test knows, where it wants to, that the one before is stored. */
  async queue(first: number, count: number): Promise<void> {
    for (let n = first; n < first + count; n++) {
      const receipts = { deliveryReceipt: true, readReceipt: true } as const;
      const body = { kind: 'data', content: new TextEncoder().encode(`mail ${n}`) } as const;
      await running().send({ to: recipient, body, ...receipts });
      await globalThis.stored?.(n);
    }
  },

  tryAgain: () => {
    running().tryAgain();
  },

  /** States of all messages, oldest first. */
  async states(): Promise<string[]> {
    const states: string[] = [];
    for await (const { status } of running().entries()) states.push(status.state);
    return states;
  },

  /** The endpoint that took a message of this or an earlier page, once it did. */
  async endpoint(sendId: number): Promise<string | undefined> {
    const receipt = await running().receipt(BigInt(sendId));
    const arrival = await receipt?.reached('inBlock');
    return arrival?.state === 'relayed' ? arrival.endpoint : undefined;
  },

  /** When a message was delivered, once it was. */
  async delivered(sendId: number): Promise<number | undefined> {
    const receipt = await running().receipt(BigInt(sendId));
    return (await receipt?.delivered())?.deliveredAt;
  },

  /** The id of the word that a message was read, once it is there. */
  async read(sendId: number): Promise<Hex | undefined> {
    const receipt = await running().receipt(BigInt(sendId));
    return (await receipt?.read())?.messageId;
  },
};

function running(): RelayOutbox {
  if (outbox === undefined) throw new Error('start() comes first');
  return outbox;
}

declare global {
  var outboxPage: OutboxPage;
  /** Of a test that wants to know of each message that is stored. */
  var stored: ((n: number) => Promise<void>) | undefined;
}
export type OutboxPage = typeof outboxPage;
globalThis.outboxPage = outboxPage;
