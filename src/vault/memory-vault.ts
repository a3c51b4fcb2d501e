import type { Hex } from '../codec/index.ts';
import { backendCipher, keyPairFromSecretKey, keyPairFromSeed, type Cipher, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import type { VaultContents } from './contents.ts';
import { KeyRing } from './key-ring.ts';
import { keyOfRotation, withCurrentEpoch, withoutEpochs, withPendingEpoch } from './rotation.ts';
import { nextBlock, withSealsSetAside } from './seal-allowance.ts';
import type {
  EcdhPublic,
  KeepRequest,
  KeptSealRequest,
  OpenAllRequest,
  Opened,
  PhalaOpened,
  PhalaSealRequest,
  RotateRequest,
  SealRequest,
  SignContent,
  Vault,
} from './vault.ts';

export interface MemoryVaultOptions {
  /** Default: a random one, of an entity that nobody knows. */
  readonly identity?: KeyPair;
  /** EcdhKey of epoch 0. Default: a random one. */
  readonly ecdh?: KeyPair;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/**
 * A vault that is nowhere but in this process's memory, and gone with it: for clients that need no identity beyond one
 * conversation. Anything of Node is absent. Throws bad-secret-key.
 */
export function createMemoryVault(options: MemoryVaultOptions = {}): Vault {
  return new MemoryVault(options, backendCipher);
}

export class MemoryVault implements Vault {
  readonly identity: Hex;
  readonly #now: () => number;
  #ring: KeyRing | undefined;
  #lastBlock: number | undefined;

  constructor({ identity, ecdh, now = Date.now }: MemoryVaultOptions, cipher: Cipher) {
    const contents: VaultContents = {
      identity: copyOf(identity),
      epochs: [{ epoch: 0, keyPair: copyOf(ecdh), createdAt: now(), state: 'current', seals: 0 }],
      erased: [],
    };
    this.#now = now;
    this.#ring = new KeyRing(contents, now, cipher);
    this.identity = this.#ring.identity;
  }

  async ecdhKeys(): Promise<readonly EcdhPublic[]> {
    return this.#open().ecdhKeys();
  }

  async sign(content: SignContent): Promise<Uint8Array> {
    return this.#open().sign(content);
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    return this.#forSealing(request).seal(request);
  }

  async keep(request: KeepRequest): Promise<Uint8Array> {
    return this.#open().keep(request);
  }

  async sealKept(request: KeptSealRequest): Promise<Uint8Array> {
    return this.#forSealing(request).sealKept(request);
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    return this.#open().open(request);
  }

  async openAll(request: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    return this.#open().openAll(request);
  }

  async forgetFresh(publicKey: Uint8Array): Promise<void> {
    this.#open().forgetFresh(publicKey);
  }

  async sealPhala(request: PhalaSealRequest): Promise<Uint8Array> {
    return this.#withSeals().sealPhala(request);
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    return this.#open().openPhala(encryptedData);
  }

  async rotate(request: RotateRequest = {}): Promise<EcdhPublic> {
    this.#change((contents) => withPendingEpoch(contents, request, () => copyOf(undefined), this.#now()));
    return keyOfRotation(this.#open().ecdhKeys(), request);
  }

  async activate(epoch: number): Promise<void> {
    this.#change((contents) => withCurrentEpoch(contents, epoch, this.#now()));
  }

  async erase({ retiredBefore }: { readonly retiredBefore: number }): Promise<readonly number[]> {
    const before = new Set(this.#open().contents.erased.map(({ epoch }) => epoch));
    this.#change((contents) => withoutEpochs(contents, retiredBefore));
    const after = this.#open().contents.erased.map(({ epoch }) => epoch);
    return after.filter((epoch) => !before.has(epoch));
  }

  async close(): Promise<void> {
    this.#ring?.clear();
    this.#ring = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): KeyRing {
    if (this.#ring === undefined) throw new RelayError('vault-closed');
    return this.#ring;
  }

  /** A fresh key has no seals to count. */
  #forSealing({ freshKey }: Pick<SealRequest, 'freshKey'>): KeyRing {
    return freshKey === undefined ? this.#withSeals() : this.#open();
  }

  #withSeals(): KeyRing {
    const ring = this.#open();
    if (!ring.isOutOfSeals) return ring;
    this.#lastBlock = nextBlock(this.#lastBlock);
    const { contents, seals } = withSealsSetAside(ring.contents, this.#lastBlock);
    ring.update(contents);
    ring.allow(seals);
    return ring;
  }

  #change(update: (contents: VaultContents) => VaultContents): void {
    const ring = this.#open();
    ring.update(update(ring.contents));
  }
}

/** The vault overwrites its own copy when it is closed, and the caller's never. */
function copyOf(keyPair: KeyPair | undefined): KeyPair {
  if (keyPair !== undefined) return keyPairFromSecretKey(keyPair.secretKey);
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const made = keyPairFromSeed(seed);
  seed.fill(0);
  return made;
}
