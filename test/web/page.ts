// What runs in the browser in browser.test.ts, by the public browser entry and nothing else.
import {
  agree,
  createMemoryVault,
  createRelayClient,
  createRequester,
  decodeEnvelope,
  decodeSignedEnvelope,
  deriveCommKey,
  encodeBody,
  encodeSignedEnvelope,
  envelopeContent,
  fromHex,
  isRelayError,
  keyPairFromSeed,
  loginContent,
  messageId,
  openEnvelope,
  openMemoryStore,
  openPhala,
  sealEnvelope,
  sealMessage,
  sign,
  signMessage,
  toHex,
  type BodyInput,
  type Hex,
  type LoginRequest,
  type Vault,
} from '../../src/web/browser.ts';

interface Keys {
  readonly identitySeed: Hex;
  readonly identityPublic: Hex;
  readonly ecdhSeed: Hex;
  readonly ecdhPublic: Hex;
}

export interface Sending {
  readonly genesisHash: Hex;
  readonly endpoint: string;
  readonly text: string;
  readonly allowPrivate: boolean;
  readonly sender: Keys;
  readonly recipient: Keys;
}

export interface Reading {
  readonly genesisHash: Hex;
  readonly url: string;
  readonly identitySeed: Hex;
  readonly count: number;
}

/** Who is asked, by whom, and where: what a page learns of a chain in its own way. */
export interface Asking {
  readonly genesisHash: Hex;
  readonly identitySeed: Hex;
  readonly to: Hex;
  readonly ecdhKey: Hex;
  readonly endpoints: readonly string[];
  readonly contract: Hex;
  readonly input: Hex;
}

export interface Answered {
  readonly identity: Hex;
  readonly status: string;
  readonly content: Hex;
}

/** A message of one kind of vector and what sender and recipient agree with. */
export interface Sealed {
  readonly sender: Keys;
  readonly recipient: Keys;
  readonly bytes: Hex;
}

/** What a vault is asked to seal; what JSON has no form for, as text. */
export interface VaultSealing {
  readonly genesisHash: Hex;
  readonly sender: Keys;
  readonly recipient: Keys;
  readonly account?: Hex;
  readonly nonce: string;
  readonly sentAt: number;
  readonly iv: Hex;
  readonly body: BodyInput;
}

const page = {
  /** Seals, signs and sends; the receipt's status, or the code of the error. */
  async send({ genesisHash, endpoint, text, allowPrivate, sender, recipient }: Sending): Promise<string> {
    const identity = keyPairFromSeed(sender.identitySeed);
    const envelope = sealEnvelope({
      commKey: commKeyOf(sender, recipient, 'sender'),
      genesisHash,
      header: {
        fromKind: 'worker',
        from: sender.identityPublic,
        to: recipient.identityPublic,
        senderKey: sender.ecdhPublic,
        recipientKey: recipient.ecdhPublic,
        nonce: BigInt(Date.now()) << 20n,
        sentAt: Date.now(),
      },
      iv: crypto.getRandomValues(new Uint8Array(12)),
      body: { kind: 'data', content: new TextEncoder().encode(text) },
    });
    const signature = sign(identity.secretKey, envelopeContent({ genesisHash, envelope }));
    await using client = createRelayClient({ genesisHash, allowPrivate });
    try {
      const signed = encodeSignedEnvelope({ identity: sender.identityPublic, signature, envelope });
      return (await client.send(signed, [endpoint])).status;
    } catch (error) {
      return isRelayError(error) ? error.code : String(error);
    }
  },

  /** Ids of the first `count` messages of a mailbox, each acknowledged. */
  async read({ genesisHash, url, identitySeed, count }: Reading): Promise<Hex[]> {
    const identity = keyPairFromSeed(identitySeed);
    const client = createRelayClient({ genesisHash, allowPrivate: true });
    const ids: Hex[] = [];
    await new Promise<void>((resolve, reject) => {
      client
        .receive({
          url,
          identity: toHex(identity.publicKey),
          sign: async (login: LoginRequest) =>
            sign(identity.secretKey, loginContent({ ...login, identity: identity.publicKey })),
        })
        .subscribe({
          next: (event) => {
            if (event.type !== 'delivery') return;
            const { envelope } = decodeSignedEnvelope(event.signedEnvelope);
            ids.push(messageId({ genesisHash, envelope }));
            event.ack();
            if (ids.length === count) resolve();
          },
          error: reject,
        });
    });
    await client.stop();
    return ids;
  },

  /** Calls a contract of a worker, from a key made for that message, and waits for the answer. */
  async ask(asking: Asking): Promise<Answered> {
    await using talker = talkerOf(asking);
    const { to, contract, input } = asking;
    const requester = createRequester(talker.sender);
    const asked = await requester.ask({ to, body: { kind: 'invocation', to: contract, input } });
    const { content } = await asked.reply;
    return { identity: talker.sender.vault.identity, status: asked.status, content: toHex(content) };
  },

  /** Sends from a key made for the message; the key. */
  async sendFresh(asking: Asking): Promise<{ readonly senderKey: Hex; readonly epochKey: Hex }> {
    await using talker = talkerOf(asking);
    const { vault, client, genesisHash } = talker.sender;
    const body = { kind: 'data', content: asking.input } as const;
    const { envelope } = await sealMessage(talker.sender, { to: asking.to, body, freshKey: { keepMs: 0 } });
    await client.send(await signMessage(vault, genesisHash, envelope), asking.endpoints);
    const decoded = decodeEnvelope(envelope);
    const [key] = await vault.ecdhKeys();
    if (decoded.suite !== 'v1' || key === undefined) throw new Error('no envelope, or no key');
    return { senderKey: toHex(decoded.header.senderKey), epochKey: toHex(key.publicKey) };
  },

  /** Id and SCALE of the body, as the recipient opens the envelope. */
  open(genesisHash: Hex, { sender, recipient, bytes }: Sealed): { id: Hex; plaintext: Hex } {
    const envelope = fromHex(bytes);
    const { body } = openEnvelope({ commKey: commKeyOf(sender, recipient, 'recipient'), genesisHash, envelope });
    return { id: messageId({ genesisHash, envelope }), plaintext: toHex(encodeBody(body)) };
  },

  /** As {@link page.open}, by the vault of the recipient: with WebCrypto, by a key that can't be exported. */
  async openByVault(genesisHash: Hex, { recipient, bytes }: Sealed): Promise<Hex> {
    await using vault = vaultOf(recipient);
    const { body } = await vault.open({ genesisHash, envelope: fromHex(bytes) });
    return toHex(encodeBody(body));
  },

  /** The envelope that the vault of the sender makes where chance gives it `iv`. */
  async sealByVault({ sender, recipient, iv, account, body, ...header }: VaultSealing): Promise<Hex> {
    await using vault = vaultOf(sender);
    const { getRandomValues } = crypto;
    crypto.getRandomValues = (array) => {
      (array as unknown as Uint8Array).set(fromHex(iv));
      return array;
    };
    try {
      const envelope = await vault.seal({
        ...{ genesisHash: header.genesisHash, to: recipient.identityPublic, body },
        recipientKey: fromHex(recipient.ecdhPublic),
        nonce: BigInt(header.nonce),
        sentAt: BigInt(header.sentAt),
        ...(account === undefined ? {} : { account }),
      });
      return toHex(envelope);
    } finally {
      crypto.getRandomValues = getRandomValues;
    }
  },

  /** What the vault makes of keys while it seals and opens: whether WebCrypto would give any of them out. */
  async exportableKeys(genesisHash: Hex, sealed: Sealed): Promise<boolean[]> {
    const exportable: boolean[] = [];
    const original = crypto.subtle.importKey.bind(crypto.subtle) as (...args: unknown[]) => Promise<CryptoKey>;
    crypto.subtle.importKey = async (...args: unknown[]) => {
      const key = await original(...args);
      exportable.push(key.extractable);
      return key;
    };
    await page.openByVault(genesisHash, sealed);
    return exportable;
  },

  /** The code of the error that making a vault, and then a key pair, ends with. */
  refusals(): { readonly vault: string; readonly keys: string } {
    return {
      vault: codeOf(() => createMemoryVault()),
      keys: codeOf(() => keyPairFromSeed(new Uint8Array(32))),
    };
  },

  openPhala({ sender, recipient, bytes }: Sealed): Hex {
    const z = agree(keyPairFromSeed(recipient.ecdhSeed).secretKey, fromHex(sender.ecdhPublic));
    return toHex(openPhala({ z, encryptedData: fromHex(bytes) }));
  },
};

function vaultOf({ identitySeed, ecdhSeed }: Keys): Vault {
  return createMemoryVault({ identity: keyPairFromSeed(identitySeed), ecdh: keyPairFromSeed(ecdhSeed) });
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return isRelayError(error) ? error.code : String(error);
  }
}

function talkerOf({ genesisHash, identitySeed, to, ecdhKey, endpoints }: Asking) {
  const vault = createMemoryVault({ identity: keyPairFromSeed(identitySeed) });
  const client = createRelayClient({ genesisHash, allowPrivate: true });
  const peer = { current: { epoch: 0, ecdhKey: fromHex(ecdhKey), proven: true }, endpoints };
  const directory = { get: (id: Hex) => (id === to ? peer : undefined) };
  return {
    sender: { vault, client, genesisHash, store: openMemoryStore(), directory },
    async [Symbol.asyncDispose]() {
      await client.stop();
      await vault.close();
    },
  };
}

function commKeyOf(sender: Keys, recipient: Keys, side: 'sender' | 'recipient'): Uint8Array {
  const [own, peer] = side === 'sender' ? [sender, recipient] : [recipient, sender];
  const z = agree(keyPairFromSeed(own.ecdhSeed).secretKey, fromHex(peer.ecdhPublic));
  return deriveCommKey({ z, senderKey: fromHex(sender.ecdhPublic), recipientKey: fromHex(recipient.ecdhPublic) });
}

declare global {
  var testPage: typeof page;
}
globalThis.testPage = page;
