import assert from 'node:assert/strict';
import { mkdir, readFile, rename, unlink, utimes, stat, writeFile } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { toHex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { epochsOf, genesisHash, newVault, openText, publicKeys, reopen, sealTo } from '../support/vaults.ts';

describe('vault: rotation', () => {
  const folder = useTempDir();
  before(ready);

  it('makes a pending epoch, which becomes current once activated; older ones are retired', async () => {
    await using vault = await newVault(folder('vault'), { now: () => 5 });
    const pending = await vault.rotate();
    assert.deepEqual([pending.epoch, pending.state, pending.createdAt], [1, 'pending', 5]);
    assert.equal(await epochsOf(vault), '0:current 1:pending');
    await vault.activate(1);
    assert.equal(await epochsOf(vault), '0:retired 1:current');
    await vault.rotate();
    await vault.activate(2);
    assert.equal(await epochsOf(vault), '0:retired 1:retired 2:current');
    await using opened = await reopen(folder('vault'));
    assert.deepEqual(await opened.ecdhKeys(), await vault.ecdhKeys());
  });

  it('is durable when it resolves', async () => {
    await using vault = await newVault(folder('vault'));
    const { publicKey } = await vault.rotate();
    await using opened = await reopen(folder('vault'));
    assert.deepEqual((await opened.ecdhKeys())[1]?.publicKey, publicKey);
  });

  it('goes on with the pending epoch after a crash, instead of making another', async () => {
    const crashed = await newVault(folder('vault'));
    const pending = await crashed.rotate();
    await using resumed = await reopen(folder('vault'));
    assert.deepEqual(await resumed.rotate(), pending);
    assert.deepEqual(await resumed.rotate({ atLeast: 1 }), pending);
    assert.equal(await epochsOf(resumed), '0:current 1:pending');
  });

  it('gives at least the epoch that is asked for; a pending one below it is retired but still opens', async () => {
    await using vault = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    const skipped = await vault.rotate();
    assert.equal((await vault.rotate({ atLeast: 7 })).epoch, 7);
    assert.equal(await epochsOf(vault), '0:current 1:retired 7:pending');
    assert.equal((await vault.rotate({ atLeast: 3 })).epoch, 7);
    await vault.activate(7);
    assert.equal((await vault.rotate()).epoch, 8);
    assert.equal(await openText(vault, await sealTo(peer, vault, 'to 1', skipped.publicKey)), 'to 1');
  });

  it('refuses an epoch that is no u32, and nothing has changed', async () => {
    await using vault = await newVault(folder('vault'));
    const before = await readFile(folder('vault'));
    for (const atLeast of [2 ** 32, 1.5, Number.NaN, Infinity]) await rejected(vault.rotate({ atLeast }), 'bad-value');
    assert.deepEqual(await readFile(folder('vault')), before);
    assert.equal(await epochsOf(vault), '0:current');
    assert.equal((await vault.rotate({ atLeast: -5 })).epoch, 1);
    assert.equal((await vault.rotate({ atLeast: 2 ** 32 - 1 })).epoch, 2 ** 32 - 1);
  });

  it('is activated once: again is no change, not even of the backup', async () => {
    await using vault = await newVault(folder('vault'));
    await vault.rotate();
    await vault.activate(1);
    const before = [await readFile(folder('vault')), await readFile(folder('vault.bak'))];
    await vault.activate(1);
    assert.deepEqual([await readFile(folder('vault')), await readFile(folder('vault.bak'))], before);
  });

  it('never goes back: activating a retired epoch late, as a resumed run may, changes nothing', async () => {
    await using vault = await newVault(folder('vault'));
    for (const epoch of [1, 2]) {
      await vault.rotate();
      await vault.activate(epoch);
    }
    await vault.activate(1);
    await vault.activate(0);
    assert.equal(await epochsOf(vault), '0:retired 1:retired 2:current');
  });

  it('leaves a pending epoch above the activated one pending', async () => {
    await using vault = await newVault(folder('vault'));
    await vault.rotate();
    await vault.activate(1);
    await vault.rotate();
    await vault.activate(1);
    assert.equal(await epochsOf(vault), '0:retired 1:current 2:pending');
  });

  it('refuses to activate an epoch that the vault does not have', async () => {
    await using vault = await newVault(folder('vault'));
    for (const epoch of [1, -1, 0.5]) await rejected(vault.activate(epoch), 'unknown-epoch');
  });

  it('seals with the current key, and opens with every one that there was', async () => {
    await using vault = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    for (let epoch = 0; epoch < 3; epoch++) {
      await vault.rotate();
      const envelope = await sealTo(vault, peer, 'x');
      const { header } = await peer.open({ genesisHash, envelope });
      assert.deepEqual(header.senderKey, (await vault.ecdhKeys()).find(({ state }) => state === 'current')?.publicKey);
      await vault.activate(epoch + 1);
    }
    for (const { epoch, publicKey } of await vault.ecdhKeys())
      assert.equal(await openText(vault, await sealTo(peer, vault, `to ${epoch}`, publicKey)), `to ${epoch}`);
  });

  it('by another opening of the file is followed: new epochs open, show and are signed', async () => {
    await using made = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    await using other = await reopen(folder('vault'));
    const { publicKey } = await other.rotate();
    assert.equal(await openText(made, await sealTo(peer, made, 'early', publicKey)), 'early');
    assert.equal(await epochsOf(made), '0:current 1:pending');
    await other.activate(1);
    await other.rotate();
    assert.equal((await made.sign({ type: 'ecdh-record', genesisHash, epoch: 2 })).length, 64);
    assert.deepEqual(await publicKeys(made), await publicKeys(other));
    await made.activate(2);
    assert.equal(await epochsOf(other), '0:retired 1:retired 2:current');
  });

  it('of several openings at once loses no update', async () => {
    const openings = [await newVault(folder('vault')), await reopen(folder('vault')), await reopen(folder('vault'))];
    for (let round = 1; round <= 4; round++) {
      const epochs = await Promise.all(openings.map((vault) => vault.rotate()));
      assert.deepEqual(new Set(epochs.map(({ epoch }) => epoch)), new Set([round]));
      assert.equal(new Set(epochs.map(({ publicKey }) => toHex(publicKey))).size, 1);
      await Promise.all(openings.map((vault) => vault.activate(round)));
    }
    for (const vault of openings)
      assert.equal(await epochsOf(vault), '0:retired 1:retired 2:retired 3:retired 4:current');
  });

  it('replaces an epoch that was current once, however many openings found it so', async () => {
    const openings = [await newVault(folder('vault')), await reopen(folder('vault')), await reopen(folder('vault'))];
    const before = await Promise.all(openings.map((vault) => vault.rotate({ replacing: 0 })));
    assert.equal(new Set(before.map(({ publicKey }) => toHex(publicKey))).size, 1);
    await openings[0]!.activate(1);
    await openings[0]!.rotate();
    for (const vault of openings) {
      const { epoch, state } = await vault.rotate({ atLeast: 5, replacing: 0 });
      assert.deepEqual([epoch, state], [1, 'current']);
    }
    for (const vault of openings) assert.equal(await epochsOf(vault), '0:retired 1:current 2:pending');
    const after = await Promise.all(openings.map((vault) => vault.rotate({ replacing: 1 })));
    assert.deepEqual(new Set(after.map(({ epoch }) => epoch)), new Set([2]));
  });

  it('builds on what the file holds, even where its inode, time and size tell of no change', async () => {
    await using made = await newVault(folder('vault'));
    const original = await readFile(folder('vault'));
    await using other = await reopen(folder('vault'));
    await other.rotate();
    await other.activate(1);
    const changed = await readFile(folder('vault'));
    await using watching = await reopen(folder('vault'));
    const { atime, mtime } = await stat(folder('vault'));
    await watching.rotate();
    // The file of epoch 1 with the times of before: as a restored backup, or a clock of coarse ticks, would give.
    await writeFile(folder('vault'), changed);
    await utimes(folder('vault'), atime, mtime);
    assert.notDeepEqual(original, changed);
    assert.equal((await watching.rotate()).epoch, 2);
    await using opened = await reopen(folder('vault'));
    assert.deepEqual(await publicKeys(opened), await publicKeys(watching));
    assert.equal(await epochsOf(made), '0:retired 1:current 2:pending');
  });

  it('fails with what is wrong where the file is gone, foreign or sealed anew; then the keys still open', async () => {
    await using vault = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    const envelope = await sealTo(peer, vault, 'x');
    await rename(folder('vault'), folder('elsewhere'));
    await rejected(vault.rotate(), 'vault-missing');
    await writeFile(folder('vault'), 'x', { mode: 0o600 });
    await rejected(vault.rotate(), 'vault-foreign');
    await unlink(folder('vault'));
    await (await newVault(folder('vault'), { passphrase: 'another' })).close();
    await rejected(vault.rotate(), 'vault-resealed');
    assert.equal(await openText(vault, envelope), 'x');
    await rename(folder('elsewhere'), folder('vault'));
    assert.equal((await vault.rotate()).epoch, 1);
  });

  it('refuses a file that holds another entity, though the passphrase is the same', async () => {
    const sealer = {
      kind: 7,
      newParameters: () => new Uint8Array(),
      deriveKey: async () => new Uint8Array(32).fill(1),
    };
    await using vault = await newVault(folder('vault'), { sealer });
    await (await newVault(folder('other'), { sealer })).close();
    await rename(folder('other'), folder('vault'));
    await rejected(vault.rotate(), 'vault-corrupt');
    await rejected(vault.ecdhKeys(), 'vault-corrupt');
  });

  it('fails where the folder of the file is gone', async () => {
    await mkdir(folder('sub'));
    await using vault = await newVault(folder('sub', 'vault'));
    await rename(folder('sub'), folder('moved'));
    await rejected(vault.rotate(), 'vault-io', 'vault-missing', 'store-failed');
  });
});

describe('vault: once closed', () => {
  const folder = useTempDir();
  before(ready);

  it('refuses everything, and closes again without harm', async () => {
    const vault = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    const envelope = await sealTo(peer, vault, 'x');
    await vault.close();
    await vault.close();
    await vault[Symbol.asyncDispose]();
    await rejected(vault.ecdhKeys(), 'vault-closed');
    await rejected(vault.rotate(), 'vault-closed');
    await rejected(vault.activate(0), 'vault-closed');
    await rejected(vault.open({ genesisHash, envelope }), 'vault-closed');
    await rejected(vault.sign({ type: 'envelope', genesisHash, envelope }), 'vault-closed');
    await rejected(vault.sign({ type: 'ecdh-record', genesisHash, epoch: 0 }), 'vault-closed');
    await rejected(sealTo(vault, peer, 'x'), 'vault-closed');
  });

  it('says so also where the file has changed since', async () => {
    const vault = await newVault(folder('vault'));
    await using other = await reopen(folder('vault'));
    await vault.close();
    await other.rotate();
    await rejected(vault.ecdhKeys(), 'vault-closed');
    await rejected(vault.sign({ type: 'ecdh-record', genesisHash, epoch: 0 }), 'vault-closed');
  });

  it('at any moment of a change, leaves a file that opens with what it had', async () => {
    const made = await newVault(folder('vault'));
    for (let moment = 0; moment < 18; moment++) {
      const vault = await reopen(folder('vault'));
      // Every second time the file has changed under it: then it is read before it is written.
      if (moment % 2 === 1) await made.activate((await made.rotate()).epoch);
      const changing = vault.rotate().catch((error: unknown) => error);
      for (let i = 0; i < moment; i++) await (i % 3 === 0 ? turn() : undefined);
      await vault.close();
      await changing;
      await using again = await reopen(folder('vault'));
      assert.equal(again.identity, made.identity);
      await made.activate((await made.rotate()).epoch);
    }
  });
});
