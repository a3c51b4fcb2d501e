import { decodeEncryptedData, equalBytes, HeaderStarts, toHex, type EnvelopeV1, type Hex } from '../codec/index.ts';
import {
  backendCipher,
  openEnvelopesWith,
  openEnvelopeWith,
  openPhalaWith,
  sealEnvelopeWith,
  sealPhalaWith,
  signWith,
  type Cipher,
  type CipherKey,
  type KeyPair,
  type OpenInput,
} from '../crypto/core.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { wipe, type EpochSecret, type VaultContents } from './contents.ts';
import { FreshKeys } from './fresh-keys.ts';
import { deriveKey, KeyCache } from './key-cache.ts';
import { keepBody, openKept } from './kept-body.ts';
import { signedBytes } from './signed-bytes.ts';
import type {
  EcdhPublic,
  KeepRequest,
  KeptSealRequest,
  OpenAllRequest,
  Opened,
  PhalaOpened,
  PhalaSealRequest,
  SealRequest,
  SignContent,
} from './vault.ts';

const ivLength = 12;
/** Messages of which all keys are asked for before the first is used. */
const openedAtOnce = 1_024;

/** The unlocked secrets of one entity and what may be done with them, in memory. */
export class KeyRing {
  readonly identity: Hex;
  readonly #cipher: Cipher;
  readonly #keys: KeyCache<CipherKey>;
  readonly #fresh: FreshKeys;
  readonly #starts = new HeaderStarts();
  #contents: VaultContents;
  /** Seals set aside for this process, and of which epoch. */
  #allowance = { epoch: -1, seals: 0 };

  constructor(contents: VaultContents, now: () => number, cipher = backendCipher) {
    this.#contents = contents;
    this.#cipher = cipher;
    this.#keys = new KeyCache(cipher);
    this.#fresh = new FreshKeys(now);
    this.identity = toHex(contents.identity.publicKey);
  }

  get contents(): VaultContents {
    return this.#contents;
  }

  /** Takes over what was changed; derived keys stay. Second copies of a secret and what was erased are overwritten. */
  update(contents: VaultContents): void {
    const known = [this.#contents.identity, ...this.#contents.epochs.map(({ keyPair }) => keyPair)];
    this.#contents = {
      ...contents,
      identity: onlyCopy(contents.identity, known),
      epochs: contents.epochs.map((epoch) => ({ ...epoch, keyPair: onlyCopy(epoch.keyPair, known) })),
    };
    const held = [this.#contents.identity, ...this.#contents.epochs.map(({ keyPair }) => keyPair)];
    for (const keyPair of known) {
      if (held.includes(keyPair)) continue;
      keyPair.secretKey.fill(0);
      this.#keys.clear(keyPair.publicKey);
    }
  }

  ecdhKeys(): EcdhPublic[] {
    return this.#contents.epochs.map(({ epoch, keyPair, createdAt, state, retiredAt, seals }) => ({
      epoch,
      publicKey: keyPair.publicKey.slice(),
      createdAt,
      state,
      ...(retiredAt === undefined ? {} : { retiredAt }),
      seals,
    }));
  }

  /** Whether {@link allow} must come before the next seal. */
  get isOutOfSeals(): boolean {
    return this.#allowance.seals === 0 || this.#allowance.epoch !== this.#current().epoch;
  }

  /** Seals of the current epoch that were set aside for this process. */
  allow(seals: number): void {
    this.#allowance = { epoch: this.#current().epoch, seals };
  }

  sign(content: SignContent): Uint8Array {
    const bytes = signedBytes(content, this.identity, (epoch) => this.#byEpoch(epoch)?.keyPair.publicKey);
    return signWith(this.#contents.identity, bytes);
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    const { to, recipientKey, account, freshKey } = request;
    if (account === undefined && to.toLowerCase() === this.identity) throw new RelayError('from-self');
    if (freshKey !== undefined)
      return this.#fresh.use(to, freshKey.keepMs, (own) =>
        withKey(this.#cipher(deriveKey('seal', own, recipientKey)), (key) => this.#sealFrom(own, key, request)),
      );
    const own = this.#forSealing();
    return this.#sealFrom(own, this.#keys.forSealing(own, recipientKey), request);
  }

  keep(request: KeepRequest): Uint8Array {
    return keepBody(this.#contents.identity.secretKey, this.identity, request);
  }

  async sealKept({ kept, ...request }: KeptSealRequest): Promise<Uint8Array> {
    const body = openKept(this.#contents.identity.secretKey, this.identity, request, kept);
    return this.seal({ ...request, body });
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    const opened = await this.#openedOrNot(request);
    if (opened instanceof RelayError) throw opened;
    return opened;
  }

  /** As {@link Vault.openAll}. */
  async openAll({ genesisHash, envelopes }: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    const starts = this.#starts;
    if (this.#fresh.size > 0)
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

  /** As {@link KeyRing.#keyFor}, for headers that share what they begin with: each of those is looked up once. */
  #keysOfBatch(): (header: EnvelopeV1['header']) => CipherKey {
    // The sender's key is one object for all headers that begin alike.
    const found = new Map<Uint8Array, CipherKey>();
    let generation = this.#keys.generation;
    return (header) => {
      if (generation !== this.#keys.generation) {
        generation = this.#keys.generation;
        found.clear();
      }
      let key = found.get(header.senderKey);
      if (key === undefined) {
        key = this.#keyFor(header);
        // Finding it may have put another one away.
        if (generation === this.#keys.generation) found.set(header.senderKey, key);
      }
      return key;
    };
  }

  /** At once where the cipher answers at once. */
  #openedOrNot(message: Omit<OpenInput, 'commKey'>): Opened | RelayError | Promise<Opened | RelayError> {
    if (this.#fresh.size > 0) return this.#openedByFreshOr(message);
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

  forgetFresh(publicKey: Uint8Array): void {
    this.#fresh.forget(publicKey);
  }

  async sealPhala({ recipientKey, content }: PhalaSealRequest): Promise<Uint8Array> {
    const own = this.#forSealing();
    const key = this.#keys.forPhala(own, recipientKey);
    return sealPhalaWith(key, { iv: newIv(), pubkey: own.publicKey, data: content });
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    const { pubkey: senderKey } = decodeEncryptedData(encryptedData);
    for (const { keyPair } of this.#contents.epochs.toReversed()) {
      try {
        return { senderKey, content: await openPhalaWith(this.#keys.forPhala(keyPair, senderKey), encryptedData) };
      } catch (error) {
        // It does not say to which epoch it was sealed.
        if (!isRelayError(error, 'open-failed')) throw error;
      }
    }
    throw new RelayError('open-failed');
  }

  /** Overwrites the secrets; JavaScript can't promise that no copy remains (SECURITY.md). */
  clear(): void {
    this.#keys.clear();
    this.#fresh.clear();
    wipe(this.#contents);
  }

  #sealFrom(own: KeyPair, key: CipherKey, request: SealRequest): Promise<Uint8Array> {
    const { genesisHash, to, recipientKey, account, nonce, sentAt, body } = request;
    const header = {
      fromKind: account === undefined ? ('worker' as const) : ('account' as const),
      from: account ?? this.identity,
      to,
      senderKey: own.publicKey,
      recipientKey,
      nonce,
      sentAt,
    };
    return sealEnvelopeWith(key, { genesisHash, header, iv: newIv(), body });
  }

  /** CommKey of an answer to a fresh key; undefined where none is kept for it. */
  #freshKeyFor({ fromKind, from, to, recipientKey, senderKey }: EnvelopeV1['header']): CipherKey | undefined {
    if (fromKind !== 'worker' || to !== this.identity || from === this.identity) return undefined;
    const own = this.#fresh.find(recipientKey, from);
    return own === undefined ? undefined : this.#cipher(deriveKey('open', own, senderKey));
  }

  /** CommKey of a message to this entity. Throws not-for-us, from-self, epoch-erased, unknown-epoch, and what agree throws. */
  #keyFor(header: EnvelopeV1['header']): CipherKey {
    if (header.to !== this.identity) throw new RelayError('not-for-us', { details: { to: header.to } });
    if (header.fromKind === 'worker' && header.from === this.identity) throw new RelayError('from-self');
    return this.#keys.forOpening(this.#byPublicKey(header.recipientKey).keyPair, header.senderKey);
  }

  /** The current epoch's key, one seal of it used up. */
  #forSealing(): KeyPair {
    if (this.isOutOfSeals) throw new RelayError('channel-exhausted');
    this.#allowance.seals -= 1;
    return this.#current().keyPair;
  }

  #current(): EpochSecret {
    const current = this.#contents.epochs.find(({ state }) => state === 'current');
    if (current === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any current epoch' } });
    return current;
  }

  #byEpoch(epoch: number): EpochSecret | undefined {
    return this.#contents.epochs.find((candidate) => candidate.epoch === epoch);
  }

  #byPublicKey(publicKey: Uint8Array): EpochSecret {
    const found = this.#contents.epochs.find(({ keyPair }) => equalBytes(keyPair.publicKey, publicKey));
    if (found !== undefined) return found;
    const erased = this.#contents.erased.find((candidate) => equalBytes(candidate.publicKey, publicKey));
    if (erased !== undefined) throw new RelayError('epoch-erased', { details: { epoch: erased.epoch } });
    throw new RelayError('unknown-epoch', { details: { epoch: `public key ${toHex(publicKey)}` } });
  }
}

async function withKey<T>(key: CipherKey, use: (key: CipherKey) => Promise<T>): Promise<T> {
  try {
    return await use(key);
  } finally {
    key.clear();
  }
}

function asRefusal(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  throw error;
}

function newIv(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(ivLength));
}

function onlyCopy(keyPair: KeyPair, known: readonly KeyPair[]): KeyPair {
  const held = known.find(({ publicKey }) => equalBytes(publicKey, keyPair.publicKey));
  if (held === undefined || held === keyPair) return keyPair;
  if (held.secretKey !== keyPair.secretKey) keyPair.secretKey.fill(0);
  return held;
}
