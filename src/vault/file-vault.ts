import type { Hex } from '../codec/index.ts';
import { keyPairFromSecretKey, keyPairFromSeed, ready, type KeyPair } from '../crypto/index.ts';
import { isRelayError, isVaultUnread, RelayError } from '../errors/index.ts';
import { agentSocket } from './agent/agent-path.ts';
import { connectAgent } from './agent/connect-agent.ts';
import type { VaultContents } from './contents.ts';
import { FileRing } from './file-ring.ts';
import type { KeyRing } from './key-ring.ts';
import { keyOfRotation, withCurrentEpoch, withoutEpochs, withPendingEpoch } from './rotation.ts';
import { nextBlock, withSealsSetAside } from './seal-allowance.ts';
import { encode, newUnlocked, sealerOf, unlock, type SealerOptions } from './sealed-contents.ts';
import {
  readVaultFile,
  replaceVaultFileAndBackup,
  vaultFileVersion,
  vaultPath,
  writeNewVaultFile,
} from './vault-file.ts';
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

export interface VaultFileOptions extends SealerOptions {
  readonly path: string;
  /** Default Date.now. */
  readonly now?: () => number;
}

export interface CreateVaultOptions extends VaultFileOptions {
  /** Default: random keys. Takes over an entity that exists elsewhere. */
  readonly identity?: KeyPair;
}

/**
 * Makes a new vault with random keys, sealed at `path` (mode 0600). Throws vault-exists, weak-passphrase, vault-io,
 * bad-value.
 */
export async function createVault(options: CreateVaultOptions): Promise<Vault> {
  await ready();
  const path = await vaultPath(options.path);
  const { identity, now = Date.now } = options;
  const contents: VaultContents = {
    identity: identity === undefined ? randomKeyPair() : keyPairFromSecretKey(identity.secretKey),
    epochs: [{ epoch: 0, keyPair: randomKeyPair(), createdAt: now(), state: 'current', seals: 0 }],
    erased: [],
  };
  const unlocked = await newUnlocked(sealerOf(options));
  const version = await writeNewVaultFile(path, encode(unlocked, contents));
  return new FileVault(new FileRing({ path, unlocked, version }, contents, now), now);
}

/**
 * Opens a sealed vault, or connects to the agent that holds one where `path` is `agent:SOCKET`. Throws what connectAgent throws, vault-missing, vault-exposed, vault-foreign, vault-too-new, vault-truncated,
 * vault-corrupt, vault-hostile-parameters, weak-passphrase, wrong-passphrase, vault-io; never writes.
 */
export async function openVault(options: VaultFileOptions): Promise<Vault> {
  await ready();
  const socket = agentSocket(options.path);
  if (socket !== undefined) return connectAgent({ socket });
  const path = await vaultPath(options.path);
  const { now = Date.now } = options;
  const version = await vaultFileVersion(path);
  const { unlocked, contents } = await unlock(await readVaultFile(path), sealerOf(options), path);
  return new FileVault(new FileRing({ path, unlocked, version }, contents, now), now);
}

/** A vault in a file. */
class FileVault implements Vault {
  readonly identity: Hex;
  readonly #ring: FileRing;
  readonly #now: () => number;
  #settingAside: Promise<void> | undefined;
  #lastBlock: number | undefined;

  constructor(ring: FileRing, now: () => number) {
    this.identity = ring.identity;
    this.#ring = ring;
    this.#now = now;
  }

  async ecdhKeys(): Promise<readonly EcdhPublic[]> {
    return (await this.#ring.fresh()).ecdhKeys();
  }

  async sign(content: SignContent): Promise<Uint8Array> {
    const ring = content.type === 'ecdh-record' ? await this.#ring.fresh() : this.#ring.held();
    return ring.sign(content);
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    // A fresh key has no seals to count.
    if (request.freshKey !== undefined) return this.#ring.held().seal(request);
    return this.#withSeals((ring) => ring.seal(request));
  }

  async keep(request: KeepRequest): Promise<Uint8Array> {
    return this.#ring.held().keep(request);
  }

  async sealKept(request: KeptSealRequest): Promise<Uint8Array> {
    if (request.freshKey !== undefined) return this.#ring.held().sealKept(request);
    return this.#withSeals((ring) => ring.sealKept(request));
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    try {
      return await this.#ring.held().open(request);
    } catch (error) {
      // The epoch may have been made by another process since.
      if (!isRelayError(error, 'unknown-epoch')) throw error;
      return (await this.#ring.read()).open(request);
    }
  }

  async openAll({ genesisHash, envelopes }: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    const opened = await this.#ring.held().openAll({ genesisHash, envelopes });
    if (!opened.some(isOfUnknownEpoch)) return opened;
    // As in open().
    const ring = await this.#ring.read().catch(asUnread);
    if (ring instanceof RelayError) return opened.map((each) => (isOfUnknownEpoch(each) ? ring : each));
    const again = envelopes.filter((_, i) => isOfUnknownEpoch(opened[i]));
    const late = (await ring.openAll({ genesisHash, envelopes: again })).values();
    return opened.map((each) => (isOfUnknownEpoch(each) ? (late.next().value ?? each) : each));
  }

  async forgetFresh(publicKey: Uint8Array): Promise<void> {
    this.#ring.held().forgetFresh(publicKey);
  }

  async sealPhala(request: PhalaSealRequest): Promise<Uint8Array> {
    return this.#withSeals((ring) => ring.sealPhala(request));
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    try {
      return await this.#ring.held().openPhala(encryptedData);
    } catch (error) {
      if (!isRelayError(error, 'open-failed')) throw error;
      return (await this.#ring.read()).openPhala(encryptedData);
    }
  }

  async rotate(request: RotateRequest = {}): Promise<EcdhPublic> {
    const ring = await this.#ring.change((contents) => withPendingEpoch(contents, request, randomKeyPair, this.#now()));
    return keyOfRotation(ring.ecdhKeys(), request);
  }

  async activate(epoch: number): Promise<void> {
    await this.#ring.change((contents) => withCurrentEpoch(contents, epoch, this.#now()));
  }

  async erase({ retiredBefore }: { readonly retiredBefore: number }): Promise<readonly number[]> {
    let erased: readonly number[] = [];
    await this.#ring.change((contents) => {
      const after = withoutEpochs(contents, retiredBefore);
      erased = after.erased.map(({ epoch }) => epoch).filter((epoch) => !isErased(contents, epoch));
      return after;
    }, replaceVaultFileAndBackup);
    return erased;
  }

  async close(): Promise<void> {
    this.#ring.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * With seals of the current epoch set aside in the file, so that a crash counts too many and never too few. `seal` takes
   * one of them before it returns: of all who waited for a block of seals, as many go on as it has, and the others wait again.
   */
  async #withSeals<T>(seal: (ring: KeyRing) => T): Promise<T> {
    while (this.#ring.held().isOutOfSeals) {
      this.#settingAside ??= this.#setAside().finally(() => (this.#settingAside = undefined));
      await this.#settingAside;
    }
    return seal(this.#ring.held());
  }

  async #setAside(): Promise<void> {
    const wanted = nextBlock(this.#lastBlock);
    let granted = 0;
    await this.#ring.change((contents) => {
      const { contents: after, seals } = withSealsSetAside(contents, wanted);
      granted = seals;
      return after;
    });
    this.#lastBlock = wanted;
    this.#ring.held().allow(granted);
  }
}

function isOfUnknownEpoch(opened: Opened | RelayError | undefined): boolean {
  return isRelayError(opened, 'unknown-epoch');
}

/** It concerns what no key in memory opens, and nothing else. */
function asUnread(error: unknown): RelayError {
  if (isVaultUnread(error)) return error;
  throw error;
}

function isErased({ erased }: VaultContents, epoch: number): boolean {
  return erased.some((candidate) => candidate.epoch === epoch);
}

function randomKeyPair(): KeyPair {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const pair = keyPairFromSeed(seed);
  seed.fill(0);
  return pair;
}
