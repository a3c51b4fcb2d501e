import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import {
  backendCipher,
  sealEnvelopeWith,
  sealPhalaWith,
  signWith,
  type Cipher,
  type CipherKey,
  type KeyPair,
} from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import { wipe, type EpochSecret, type VaultContents } from './contents.ts';
import { FreshKeys } from './fresh-keys.ts';
import { deriveKey, KeyCache } from './key-cache.ts';
import { keepBody, openKept } from './kept-body.ts';
import { Opener } from './opener.ts';
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

/** The unlocked secrets of one entity and what may be done with them, in memory. */
export class KeyRing {
  readonly identity: Hex;
  readonly #cipher: Cipher;
  readonly #keys: KeyCache<CipherKey>;
  readonly #fresh: FreshKeys;
  readonly #opener: Opener;
  #contents: VaultContents;
  /** Seals set aside for this process, and of which epoch. */
  #allowance = { epoch: -1, seals: 0 };

  constructor(contents: VaultContents, now: () => number, cipher = backendCipher) {
    this.#contents = contents;
    this.#cipher = cipher;
    this.#keys = new KeyCache(cipher);
    this.#fresh = new FreshKeys(now);
    this.identity = toHex(contents.identity.publicKey);
    const [identity, keys, fresh] = [this.identity, this.#keys, this.#fresh];
    this.#opener = new Opener({ identity, cipher, keys, fresh, contents: () => this.#contents });
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

  open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    return this.#opener.open(request);
  }

  /** As {@link Vault.openAll}. */
  openAll(request: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    return this.#opener.openAll(request);
  }

  openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    return this.#opener.openPhala(encryptedData);
  }

  forgetFresh(publicKey: Uint8Array): void {
    this.#fresh.forget(publicKey);
  }

  async sealPhala({ recipientKey, content }: PhalaSealRequest): Promise<Uint8Array> {
    const own = this.#forSealing();
    const key = this.#keys.forPhala(own, recipientKey);
    return sealPhalaWith(key, { iv: newIv(), pubkey: own.publicKey, data: content });
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
}

async function withKey<T>(key: CipherKey, use: (key: CipherKey) => Promise<T>): Promise<T> {
  try {
    return await use(key);
  } finally {
    key.clear();
  }
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
