import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { decodeV1, openEnvelope, sealEnvelope, signWith, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import { CommKeyCache } from './comm-key-cache.ts';
import type { EpochSecret, VaultContents } from './contents.ts';
import { signedBytes } from './signed-bytes.ts';
import type { EcdhPublic, Opened, SealRequest, SignContent } from './vault.ts';

const ivLength = 12;

/** The unlocked secrets of one entity and what may be done with them, in memory. */
export class KeyRing {
  readonly identity: Hex;
  readonly #commKeys = new CommKeyCache();
  #contents: VaultContents;

  constructor(contents: VaultContents) {
    this.#contents = contents;
    this.identity = toHex(contents.identity.publicKey);
  }

  get contents(): VaultContents {
    return this.#contents;
  }

  /** Takes over what was rotated; derived keys and their counts stay. Second copies of a secret are overwritten. */
  update(contents: VaultContents): void {
    const known = [this.#contents.identity, ...this.#contents.epochs.map(({ keyPair }) => keyPair)];
    this.#contents = {
      ...contents,
      identity: onlyCopy(contents.identity, known),
      epochs: contents.epochs.map((epoch) => ({ ...epoch, keyPair: onlyCopy(epoch.keyPair, known) })),
    };
  }

  ecdhKeys(): EcdhPublic[] {
    return this.#contents.epochs.map(({ epoch, keyPair, createdAt, state }) => ({
      epoch,
      publicKey: keyPair.publicKey.slice(),
      createdAt,
      state,
    }));
  }

  sign(content: SignContent): Uint8Array {
    const bytes = signedBytes(content, this.identity, (epoch) => this.#byEpoch(epoch)?.keyPair.publicKey);
    return signWith(this.#contents.identity, bytes);
  }

  seal({ genesisHash, to, recipientKey, account, nonce, sentAt, body }: SealRequest): Uint8Array {
    if (account === undefined && to.toLowerCase() === this.identity) throw new RelayError('from-self');
    const own = this.#current().keyPair;
    const header = {
      fromKind: account === undefined ? ('worker' as const) : ('account' as const),
      from: account ?? this.identity,
      to,
      senderKey: own.publicKey,
      recipientKey,
      nonce,
      sentAt,
    };
    const iv = crypto.getRandomValues(new Uint8Array(ivLength));
    return sealEnvelope({ commKey: this.#commKeys.forSealing(own, recipientKey), genesisHash, header, iv, body });
  }

  open({ genesisHash, envelope }: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Opened {
    const decoded = decodeV1(envelope);
    const { header } = decoded;
    if (header.to !== this.identity) throw new RelayError('not-for-us', { details: { to: header.to } });
    if (header.fromKind === 'worker' && header.from === this.identity) throw new RelayError('from-self');
    const own = this.#byPublicKey(header.recipientKey).keyPair;
    return openEnvelope({ commKey: this.#commKeys.forOpening(own, header.senderKey), genesisHash, envelope: decoded });
  }

  /** Overwrites the secrets; JavaScript can't promise that no copy remains (SECURITY.md). */
  clear(): void {
    this.#commKeys.clear();
    for (const { keyPair } of [{ keyPair: this.#contents.identity }, ...this.#contents.epochs])
      keyPair.secretKey.fill(0);
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

function onlyCopy(keyPair: KeyPair, known: readonly KeyPair[]): KeyPair {
  const held = known.find(({ publicKey }) => equalBytes(publicKey, keyPair.publicKey));
  if (held === undefined || held === keyPair) return keyPair;
  if (held.secretKey !== keyPair.secretKey) keyPair.secretKey.fill(0);
  return held;
}
