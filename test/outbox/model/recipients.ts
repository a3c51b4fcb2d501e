import type { KeyDirectory } from '../../../src/channel/index.ts';
import { decodeEnvelope, topicOf, type Header, type Hex } from '../../../src/codec/index.ts';
import { createMemoryVault, type Vault } from '../../../src/vault/index.ts';
import { directoryOf } from '../../support/entities.ts';

/** To whom an outbox sends. They open what they find, as inboxes do. */
export class Recipients {
  /** Of all commands. */
  readonly #first = createMemoryVault();
  readonly #vaults: ReadonlyMap<Hex, Vault>;
  readonly #genesisHash: Hex;
  readonly #texts = new Map<Uint8Array, string>();
  #directory: Promise<KeyDirectory> | undefined;

  constructor(genesisHash: Hex) {
    this.#genesisHash = genesisHash;
    this.#vaults = new Map([this.#first, createMemoryVault()].map((vault) => [vault.identity, vault]));
  }

  get ids(): Hex[] {
    return [...this.#vaults.keys()];
  }

  /** By their ids as hex. */
  get topics(): ReadonlyMap<Hex, Uint8Array> {
    return new Map(this.ids.map((id) => [id, topicOf(id)]));
  }

  directory(): Promise<KeyDirectory> {
    return (this.#directory ??= directoryOf(...this.#vaults.values()));
  }

  /** To which commands are sealed. */
  async commandKey(): Promise<Uint8Array> {
    const [key] = await this.#first.ecdhKeys();
    return key?.publicKey ?? new Uint8Array();
  }

  async textOf(envelope: Uint8Array): Promise<string> {
    return this.#known(envelope, async () => {
      const { body } = (await this.#vaults.get(headerOf(envelope).to)?.open({
        genesisHash: this.#genesisHash,
        envelope,
      })) ?? { body: undefined };
      return body?.kind === 'data' ? new TextDecoder().decode(body.content) : String(body?.kind);
    });
  }

  /** Of a command's payload. */
  async commandIn(payload: Uint8Array): Promise<string> {
    // Behind its variant.
    return this.#known(payload, async () => {
      const { content } = await this.#first.openPhala(payload.subarray(1));
      return new TextDecoder().decode(content);
    });
  }

  async #known(bytes: Uint8Array, open: () => Promise<string>): Promise<string> {
    const text = this.#texts.get(bytes) ?? (await open());
    this.#texts.set(bytes, text);
    return text;
  }
}

/** Throws where it is no V1 envelope. */
export function headerOf(envelope: Uint8Array): Header {
  const decoded = decodeEnvelope(envelope);
  if (decoded.suite !== 'v1') throw new TypeError('only V1 has a header');
  return decoded.header;
}

/** What tells a message of a worker from its others. */
export function channelNonce({ to, nonce }: { readonly to: Hex; readonly nonce: bigint }): string {
  return `${to} ${nonce}`;
}
