import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { ready } from '../../src/crypto/index.ts';
import { decodeContents, encodeContents } from '../../src/vault/contents.ts';
import type { Vault } from '../../src/vault/index.ts';
import { nextBlock, sealLimit, withSealsSetAside } from '../../src/vault/seal-allowance.ts';
import { keyPairFromSeed } from '../../src/crypto/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { decodeContainer, newNonce, openContainer, sealContainer } from '../../src/vault/container.ts';
import { rejected, thrown } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { newVault, reopen, sealTo } from '../support/vaults.ts';
import { writeFile } from 'node:fs/promises';

describe('vault: the count of seals', () => {
  const folder = useTempDir();
  let peer: Vault;
  before(ready);
  beforeEach(async () => {
    peer = await newVault(folder('peer'));
  });

  const sealsOf = async (vault: Vault): Promise<number[]> => (await vault.ecdhKeys()).map(({ seals }) => seals);

  it('is set aside in the file before a message is sealed, in blocks that grow', async () => {
    await using vault = await newVault(folder('vault'));
    assert.deepEqual(await sealsOf(vault), [0]);
    await sealTo(vault, peer, 'x');
    for (const seen of [vault, await reopen(folder('vault'))]) assert.deepEqual(await sealsOf(seen), [256]);
    for (let n = 1; n < 256; n++) await sealTo(vault, peer, 'x');
    assert.deepEqual(await sealsOf(vault), [256]);
    await sealTo(vault, peer, 'x');
    assert.deepEqual(await sealsOf(vault), [768]);
    let block: number | undefined;
    for (let n = 0; n < 20; n++) block = nextBlock(block);
    assert.equal(block, 2 ** 20);
  });

  it('is never too low: each opening of the file has seals of its own', async () => {
    await using vault = await newVault(folder('vault'));
    const openings = await Promise.all(Array.from({ length: 3 }, () => reopen(folder('vault'))));
    await Promise.all(openings.flatMap((opened) => [sealTo(opened, peer, 'x'), sealTo(opened, peer, 'y')]));
    assert.deepEqual(await sealsOf(vault), [3 * 256]);
  });

  it('does for many at once: who finds a block used up waits for the next', async () => {
    await using vault = await newVault(folder('vault'));
    const recipientKey = (await peer.ecdhKeys())[0]!.publicKey;
    const envelopes = await Promise.all(Array.from({ length: 900 }, () => sealTo(vault, peer, 'x', recipientKey)));
    assert.equal(envelopes.length, 900);
    assert.deepEqual(await sealsOf(vault), [256 + 512 + 1024]);
  });

  it('begins anew with a new epoch, and what is left of the old one is not used for it', async () => {
    await using vault = await newVault(folder('vault'));
    await sealTo(vault, peer, 'x');
    await vault.rotate();
    await vault.activate(1);
    assert.deepEqual(await sealsOf(vault), [256, 0]);
    await sealTo(vault, peer, 'x');
    assert.deepEqual(await sealsOf(vault), [256, 768 - 256]);
  });

  it('is for the phala suite too', async () => {
    await using vault = await newVault(folder('vault'));
    const recipientKey = (await peer.ecdhKeys())[0]!.publicKey;
    await vault.sealPhala({ recipientKey, content: Uint8Array.of(1) });
    assert.deepEqual(await sealsOf(vault), [256]);
  });

  it('ends at 2^32: nothing more is sealed, until a rotation', async () => {
    const key = new Uint8Array(32).fill(9);
    const sealer = { kind: 200, newParameters: () => new Uint8Array(), deriveKey: async () => key.slice() };
    await (await newVault(folder('vault'), { sealer })).close();
    const container = decodeContainer(await readFile(folder('vault')), 'vault');
    const contents = decodeContents(openContainer(key, container, 'vault'), 'vault');
    const used = { ...contents, epochs: contents.epochs.map((epoch) => ({ ...epoch, seals: sealLimit - 2 })) };
    await writeFile(folder('used'), sealContainer(key, container, encodeContents(used), newNonce()), { mode: 0o600 });
    await rename(folder('used'), folder('vault'));
    await using vault = await openVault({ path: folder('vault'), sealer });
    await sealTo(vault, peer, 'x');
    await sealTo(vault, peer, 'x');
    const before = await readFile(folder('vault'));
    await rejected(sealTo(vault, peer, 'x'), 'channel-exhausted');
    assert.deepEqual(await readFile(folder('vault')), before);
    await vault.activate((await vault.rotate()).epoch);
    await sealTo(vault, peer, 'x');
  });

  it('grants what is left and no more', () => {
    const keyPair = keyPairFromSeed(new Uint8Array(32));
    const of = (seals: number) => ({
      identity: keyPair,
      epochs: [{ epoch: 0, keyPair, createdAt: 0, state: 'current' as const, seals }],
      erased: [],
    });
    assert.equal(withSealsSetAside(of(0), 256).seals, 256);
    const last = withSealsSetAside(of(sealLimit - 5), 256);
    assert.equal(last.seals, 5);
    assert.equal(last.contents.epochs[0]?.seals, sealLimit);
    thrown(() => withSealsSetAside(last.contents, 1), 'channel-exhausted');
  });

  it('seals nothing where the file can not be written', async () => {
    await using vault = await newVault(folder('vault'));
    await rename(folder('vault'), folder('elsewhere'));
    await rejected(sealTo(vault, peer, 'x'), 'vault-missing');
    await rename(folder('elsewhere'), folder('vault'));
    await sealTo(vault, peer, 'x');
  });
});
