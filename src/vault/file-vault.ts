import type { Hex } from '../codec/index.ts';
import { keyPairFromSeed, ready, type KeyPair } from '../crypto/index.ts';
import { RelayError } from '../errors/index.ts';
import { withFileLock } from '../store/index.ts';
import { decodeContainer, newNonce, openContainer, sealContainer } from './container.ts';
import { decodeContents, encodeContents, type VaultContents } from './contents.ts';
import { KeyRing } from './key-ring.ts';
import { passphraseSealer, type Argon2Cost } from './passphrase-sealer.ts';
import { withCurrentEpoch, withPendingEpoch } from './rotation.ts';
import type { Sealer } from './sealer.ts';
import { readVaultFile, vaultFileVersion, writeVaultFile } from './vault-file.ts';
import type { EcdhPublic, Opened, SealRequest, SignContent, Vault } from './vault.ts';

export interface VaultFileOptions {
  readonly path: string;
  /** Either this or `sealer`. */
  readonly passphrase?: string;
  readonly sealer?: Sealer;
  /** Work factors for a new file. */
  readonly cost?: Partial<Argon2Cost>;
  /** Default Date.now. */
  readonly now?: () => number;
}

export interface CreateVaultOptions extends VaultFileOptions {
  /** Default: random keys. Takes over an entity that exists elsewhere. */
  readonly identity?: KeyPair;
}

interface Unlocked {
  readonly key: Uint8Array;
  readonly sealerKind: number;
  readonly parameters: Uint8Array;
}

/**
 * Makes a new vault with random keys, sealed at `path` (mode 0600). Throws vault-exists, weak-passphrase, vault-io.
 */
export async function createVault(options: CreateVaultOptions): Promise<Vault> {
  await ready();
  const { path, identity = randomKeyPair(), now = Date.now } = options;
  const contents: VaultContents = {
    identity,
    epochs: [{ epoch: 0, keyPair: randomKeyPair(), createdAt: now(), state: 'current' }],
    erased: [],
  };
  const sealer = sealerOf(options);
  const parameters = sealer.newParameters();
  const unlocked = { key: await sealer.deriveKey(parameters), sealerKind: sealer.kind, parameters };
  await writeVaultFile(path, encode(unlocked, contents), true);
  return new FileVault(path, unlocked, contents, await vaultFileVersion(path), now);
}

/**
 * Opens a sealed vault. Throws vault-missing, vault-exposed, vault-foreign, vault-too-new, vault-truncated,
 * vault-corrupt, vault-hostile-parameters, wrong-passphrase, vault-io; never writes.
 */
export async function openVault(options: VaultFileOptions): Promise<Vault> {
  await ready();
  const { path, now = Date.now } = options;
  const version = await vaultFileVersion(path);
  const container = decodeContainer(await readVaultFile(path), path);
  const sealer = sealerOf(options);
  if (sealer.kind !== container.sealerKind)
    throw new RelayError('vault-corrupt', { details: { path, reason: 'it was sealed by another kind of sealer' } });
  const { sealerKind, parameters } = container;
  const key = await sealer.deriveKey(parameters);
  const contents = decodeContents(openContainer(key, container, path));
  return new FileVault(path, { key, sealerKind, parameters }, contents, version, now);
}

/** A vault whose file other processes may write too: it follows their changes. */
class FileVault implements Vault {
  readonly identity: Hex;
  readonly #path: string;
  readonly #unlocked: Unlocked;
  readonly #now: () => number;
  #ring: KeyRing | undefined;
  #version: string | undefined;

  constructor(
    path: string,
    unlocked: Unlocked,
    contents: VaultContents,
    version: string | undefined,
    now: () => number,
  ) {
    this.#path = path;
    this.#unlocked = unlocked;
    this.#ring = new KeyRing(contents);
    this.#version = version;
    this.#now = now;
    this.identity = this.#ring.identity;
  }

  async ecdhKeys(): Promise<readonly EcdhPublic[]> {
    return (await this.#fresh()).ecdhKeys();
  }

  async sign(content: SignContent): Promise<Uint8Array> {
    const ring = content.type === 'ecdh-record' ? await this.#fresh() : this.#open();
    return ring.sign(content);
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    return this.#open().seal(request);
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    try {
      return this.#open().open(request);
    } catch (error) {
      // The epoch may have been made by another process since.
      if (!(error instanceof RelayError) || error.code !== 'unknown-epoch') throw error;
      return (await this.#fresh()).open(request);
    }
  }

  async rotate({ atLeast = 0 }: { readonly atLeast?: number } = {}): Promise<EcdhPublic> {
    const ring = await this.#change((contents) => withPendingEpoch(contents, atLeast, randomKeyPair, this.#now()));
    const pending = ring.ecdhKeys().find(({ state }) => state === 'pending');
    if (pending === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any pending epoch' } });
    return pending;
  }

  async activate(epoch: number): Promise<void> {
    await this.#change((contents) => withCurrentEpoch(contents, epoch));
  }

  async close(): Promise<void> {
    this.#ring?.clear();
    this.#ring = undefined;
    this.#unlocked.key.fill(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): KeyRing {
    if (this.#ring === undefined) throw new RelayError('vault-closed');
    return this.#ring;
  }

  async #fresh(): Promise<KeyRing> {
    const version = await vaultFileVersion(this.#path);
    if (version === undefined || version === this.#version) return this.#open();
    const container = decodeContainer(await readVaultFile(this.#path), this.#path);
    const contents = decodeContents(openContainer(this.#unlocked.key, container, this.#path));
    return this.#replace(contents, version);
  }

  async #change(update: (contents: VaultContents) => VaultContents): Promise<KeyRing> {
    this.#open();
    return withFileLock(this.#path, async () => {
      const before = (await this.#fresh()).contents;
      const after = update(before);
      if (after === before) return this.#open();
      await writeVaultFile(this.#path, encode(this.#unlocked, after), false);
      return this.#replace(after, await vaultFileVersion(this.#path));
    });
  }

  #replace(contents: VaultContents, version: string | undefined): KeyRing {
    const ring = this.#open();
    ring.update(contents);
    this.#version = version;
    return ring;
  }
}

function encode({ key, ...header }: Unlocked, contents: VaultContents): Uint8Array {
  const plain = encodeContents(contents);
  const file = sealContainer(key, header, plain, newNonce());
  plain.fill(0);
  return file;
}

function sealerOf({ sealer, passphrase, cost }: VaultFileOptions): Sealer {
  return sealer ?? passphraseSealer(passphrase ?? '', cost === undefined ? {} : { cost });
}

function randomKeyPair(): KeyPair {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const pair = keyPairFromSeed(seed);
  seed.fill(0);
  return pair;
}
