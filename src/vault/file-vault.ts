import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { keyPairFromSecretKey, keyPairFromSeed, ready, type KeyPair } from '../crypto/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { agentSocket } from './agent/agent-path.ts';
import { connectAgent } from './agent/connect-agent.ts';
import { decodeContainer } from './container.ts';
import type { VaultContents } from './contents.ts';
import { KeyRing } from './key-ring.ts';
import { withCurrentEpoch, withoutEpochs, withPendingEpoch } from './rotation.ts';
import { nextBlock, withSealsSetAside } from './seal-allowance.ts';
import {
  encode,
  newUnlocked,
  sealerOf,
  unlock,
  unseal,
  vaultCorrupt,
  type SealerOptions,
  type Unlocked,
} from './sealed-contents.ts';
import {
  readVaultFile,
  replaceVaultFile,
  replaceVaultFileAndBackup,
  vaultFileVersion,
  vaultPath,
  withVaultLock,
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
  return new FileVault(path, unlocked, contents, version, now);
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
  return new FileVault(path, unlocked, contents, version, now);
}

/** A vault whose file other processes may write too: it follows their changes. */
class FileVault implements Vault {
  readonly identity: Hex;
  readonly #path: string;
  readonly #unlocked: Unlocked;
  readonly #now: () => number;
  #ring: KeyRing | undefined;
  #version: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #settingAside: Promise<void> | undefined;
  #lastBlock: number | undefined;

  constructor(
    path: string,
    unlocked: Unlocked,
    contents: VaultContents,
    version: string | undefined,
    now: () => number,
  ) {
    this.#path = path;
    this.#unlocked = unlocked;
    this.#ring = new KeyRing(contents, now);
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
    // A fresh key has no seals to count.
    if (request.freshKey !== undefined) return this.#open().seal(request);
    return this.#withSeals((ring) => ring.seal(request));
  }

  async keep(request: KeepRequest): Promise<Uint8Array> {
    return this.#open().keep(request);
  }

  async sealKept(request: KeptSealRequest): Promise<Uint8Array> {
    if (request.freshKey !== undefined) return this.#open().sealKept(request);
    return this.#withSeals((ring) => ring.sealKept(request));
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    try {
      return await this.#open().open(request);
    } catch (error) {
      // The epoch may have been made by another process since.
      if (!isRelayError(error, 'unknown-epoch')) throw error;
      return (await this.#fresh()).open(request);
    }
  }

  async openAll({ genesisHash, envelopes }: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    const opened = await this.#open().openAll({ genesisHash, envelopes });
    if (!opened.some(isOfUnknownEpoch)) return opened;
    // As in open().
    const ring = await this.#fresh();
    const again = envelopes.filter((_, i) => isOfUnknownEpoch(opened[i]));
    const late = (await ring.openAll({ genesisHash, envelopes: again })).values();
    return opened.map((each) => (isOfUnknownEpoch(each) ? (late.next().value ?? each) : each));
  }

  async forgetFresh(publicKey: Uint8Array): Promise<void> {
    this.#open().forgetFresh(publicKey);
  }

  async sealPhala(request: PhalaSealRequest): Promise<Uint8Array> {
    return this.#withSeals((ring) => ring.sealPhala(request));
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    try {
      return await this.#open().openPhala(encryptedData);
    } catch (error) {
      if (!isRelayError(error, 'open-failed')) throw error;
      return (await this.#fresh()).openPhala(encryptedData);
    }
  }

  async rotate({ atLeast = 0 }: { readonly atLeast?: number } = {}): Promise<EcdhPublic> {
    const ring = await this.#change((contents) => withPendingEpoch(contents, atLeast, randomKeyPair, this.#now()));
    const pending = ring.ecdhKeys().find(({ state }) => state === 'pending');
    if (pending === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any pending epoch' } });
    return pending;
  }

  async activate(epoch: number): Promise<void> {
    await this.#change((contents) => withCurrentEpoch(contents, epoch, this.#now()));
  }

  async erase({ retiredBefore }: { readonly retiredBefore: number }): Promise<readonly number[]> {
    let erased: readonly number[] = [];
    await this.#change((contents) => {
      const after = withoutEpochs(contents, retiredBefore);
      erased = after.erased.map(({ epoch }) => epoch).filter((epoch) => !isErased(contents, epoch));
      return after;
    }, replaceVaultFileAndBackup);
    return erased;
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

  /**
   * With seals of the current epoch set aside in the file, so that a crash counts too many and never too few. `seal` takes
   * one of them before it returns: of all who waited for a block of seals, as many go on as it has, and the others wait again.
   */
  async #withSeals<T>(seal: (ring: KeyRing) => T): Promise<T> {
    while (this.#open().isOutOfSeals) {
      this.#settingAside ??= this.#setAside().finally(() => (this.#settingAside = undefined));
      await this.#settingAside;
    }
    return seal(this.#open());
  }

  async #setAside(): Promise<void> {
    const wanted = nextBlock(this.#lastBlock);
    let granted = 0;
    await this.#change((contents) => {
      const { contents: after, seals } = withSealsSetAside(contents, wanted);
      granted = seals;
      return after;
    });
    this.#lastBlock = wanted;
    this.#open().allow(granted);
  }

  /** With what the file holds now; what is in memory where there is no file. */
  async #fresh(): Promise<KeyRing> {
    this.#open();
    const version = await vaultFileVersion(this.#path);
    if (version === undefined || version === this.#version) return this.#open();
    return this.#inTurn(() => this.#load());
  }

  async #load(): Promise<KeyRing> {
    // Before the content: if the file is replaced in between, the next look finds it changed.
    const version = await vaultFileVersion(this.#path);
    const file = await readVaultFile(this.#path);
    const ring = this.#open();
    const container = decodeContainer(file, this.#path);
    const { sealerKind, parameters } = this.#unlocked;
    if (container.sealerKind !== sealerKind || !equalBytes(container.parameters, parameters))
      throw new RelayError('vault-resealed', { details: { path: this.#path } });
    const contents = unseal(this.#unlocked.key, container, this.#path);
    if (toHex(contents.identity.publicKey) !== this.identity)
      throw vaultCorrupt(this.#path, 'it holds another entity than when it was opened');
    ring.update(contents);
    this.#version = version;
    return ring;
  }

  async #change(
    update: (contents: VaultContents) => VaultContents,
    replace: typeof replaceVaultFile = replaceVaultFile,
  ): Promise<KeyRing> {
    this.#open();
    return this.#inTurn(() =>
      withVaultLock(this.#path, async () => {
        // Always read: two versions of a file may have the same inode, size and time.
        await this.#load();
        const ring = this.#open();
        const before = ring.contents;
        const after = update(before);
        if (after === before) return ring;
        // Nothing is awaited since the vault was found open: its key is there.
        const version = await replace(this.#path, encode(this.#unlocked, after));
        this.#open().update(after);
        this.#version = version;
        return this.#open();
      }),
    );
  }

  // A reader that was overtaken must not put back what a change has replaced.
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function isOfUnknownEpoch(opened: Opened | RelayError | undefined): boolean {
  return isRelayError(opened, 'unknown-epoch');
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
