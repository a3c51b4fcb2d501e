import { decodeEncryptedData, equalBytes, HeaderStarts, toHex, type EnvelopeV1, type Hex } from '../codec/index.ts';
import {
  openEnvelopesWith,
  openEnvelopeWith,
  openPhalaWith,
  type Cipher,
  type CipherKey,
  type OpenInput,
} from '../crypto/core.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { EpochSecret, VaultContents } from './contents.ts';
import type { FreshKeys } from './fresh-keys.ts';
import { deriveKey, type KeyCache } from './key-cache.ts';
import type { OpenAllRequest, Opened, PhalaOpened } from './vault.ts';

/** Messages of which all keys are asked for before the first is used. */
const openedAtOnce = 1_024;

/** What an entity's messages are opened with. */
export interface OpenerKeys {
  readonly identity: Hex;
  readonly cipher: Cipher;
  readonly keys: KeyCache<CipherKey>;
  readonly fresh: FreshKeys;
  /** The epochs as they are now. */
  readonly contents: () => VaultContents;
}

/** Opens what was sealed to one entity, in memory. */
export class Opener {
  readonly #own: OpenerKeys;
  readonly #starts = new HeaderStarts();

  constructor(own: OpenerKeys) {
    this.#own = own;
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    const opened = await this.#openedOrNot(request);
    if (opened instanceof RelayError) throw opened;
    return opened;
  }

  /** As {@link Vault.openAll}. */
  async openAll({ genesisHash, envelopes }: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    const starts = this.#starts;
    if (this.#own.fresh.size > 0)
      return Promise.all(envelopes.map(async (envelope) => this.#openedOrNot({ genesisHash, envelope, starts })));
    const opening: ReturnType<typeof openEnvelopesWith>[] = [];
    // All at once: nothing is closed or erased in between. No key is put away either, as many fewer come than are kept.
    for (let i = 0; i < envelopes.length; i += openedAtOnce) {
      const input = { genesisHash, envelopes: envelopes.slice(i, i + openedAtOnce), starts };
      opening.push(openEnvelopesWith(this.#keysOfBatch(), input));
    }
    const opened: (Opened | RelayError)[] = [];
    for (const each of opening) opened.push(...(await each));
    return opened;
  }

  /** As {@link Opener.#keyFor}, for headers that share what they begin with: each of those is looked up once. */
  #keysOfBatch(): (header: EnvelopeV1['header']) => CipherKey {
    // The sender's key is one object for all headers that begin alike.
    const found = new Map<Uint8Array, CipherKey>();
    let generation = this.#own.keys.generation;
    return (header) => {
      if (generation !== this.#own.keys.generation) {
        generation = this.#own.keys.generation;
        found.clear();
      }
      let key = found.get(header.senderKey);
      if (key === undefined) {
        key = this.#keyFor(header);
        // Finding it may have put another one away.
        if (generation === this.#own.keys.generation) found.set(header.senderKey, key);
      }
      return key;
    };
  }

  /** At once where the cipher answers at once. */
  #openedOrNot(message: Omit<OpenInput, 'commKey'>): Opened | RelayError | Promise<Opened | RelayError> {
    if (this.#own.fresh.size > 0) return this.#openedByFreshOr(message);
    try {
      const opened = openEnvelopeWith((header) => this.#keyFor(header), message);
      return opened instanceof Promise ? opened.catch(asRefusal) : opened;
    } catch (error) {
      return asRefusal(error);
    }
  }

  #openedByFreshOr(message: Omit<OpenInput, 'commKey'>): Opened | RelayError | Promise<Opened | RelayError> {
    let used: CipherKey | undefined;
    try {
      const opened = openEnvelopeWith((header) => (used = this.#freshKeyFor(header)) ?? this.#keyFor(header), message);
      if (opened instanceof Promise) return opened.catch(asRefusal).finally(() => used?.clear());
      used?.clear();
      return opened;
    } catch (error) {
      used?.clear();
      return asRefusal(error);
    }
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    const { pubkey: senderKey } = decodeEncryptedData(encryptedData);
    for (const { keyPair } of this.#own.contents().epochs.toReversed()) {
      try {
        return { senderKey, content: await openPhalaWith(this.#own.keys.forPhala(keyPair, senderKey), encryptedData) };
      } catch (error) {
        // It does not say to which epoch it was sealed.
        if (!isRelayError(error, 'open-failed')) throw error;
      }
    }
    throw new RelayError('open-failed');
  }

  /** CommKey of an answer to a fresh key; undefined where none is kept for it. */
  #freshKeyFor({ fromKind, from, to, recipientKey, senderKey }: EnvelopeV1['header']): CipherKey | undefined {
    if (fromKind !== 'worker' || to !== this.#own.identity || from === this.#own.identity) return undefined;
    const own = this.#own.fresh.find(recipientKey, from);
    return own === undefined ? undefined : this.#own.cipher(deriveKey('open', own, senderKey));
  }

  /** CommKey of a message to this entity. Throws not-for-us, from-self, epoch-erased, unknown-epoch, and what agree throws. */
  #keyFor(header: EnvelopeV1['header']): CipherKey {
    if (header.to !== this.#own.identity) throw new RelayError('not-for-us', { details: { to: header.to } });
    if (header.fromKind === 'worker' && header.from === this.#own.identity) throw new RelayError('from-self');
    return this.#own.keys.forOpening(this.#byPublicKey(header.recipientKey).keyPair, header.senderKey);
  }

  #byPublicKey(publicKey: Uint8Array): EpochSecret {
    const found = this.#own.contents().epochs.find(({ keyPair }) => equalBytes(keyPair.publicKey, publicKey));
    if (found !== undefined) return found;
    const erased = this.#own.contents().erased.find((candidate) => equalBytes(candidate.publicKey, publicKey));
    if (erased !== undefined) throw new RelayError('epoch-erased', { details: { epoch: erased.epoch } });
    throw new RelayError('unknown-epoch', { details: { epoch: `public key ${toHex(publicKey)}` } });
  }
}

function asRefusal(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  throw error;
}
