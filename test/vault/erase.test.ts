import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { ready } from '../../src/crypto/index.ts';
import { decodeContents } from '../../src/vault/contents.ts';
import { decodeContainer, openContainer } from '../../src/vault/container.ts';
import type { Vault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { epochsOf, newVault, openText, sealTo } from '../support/vaults.ts';

const key = new Uint8Array(32).fill(3);
const sealer = { kind: 200, newParameters: () => new Uint8Array(), deriveKey: async () => key.slice() };

describe('vault: erasing', () => {
  const folder = useTempDir();
  let now = 0;
  let vault: Vault;
  before(ready);
  beforeEach(async () => {
    now = 0;
    vault = await newVault(folder('vault'), { sealer, now: () => now });
  });
  afterEach(() => vault.close());

  const rotateAt = async (time: number): Promise<void> => {
    now = time;
    await vault.activate((await vault.rotate()).epoch);
  };
  const epochsIn = async (name: string): Promise<number[]> => {
    const container = decodeContainer(await readFile(folder(name)), name);
    return decodeContents(openContainer(key, container, name), name).epochs.map(({ epoch }) => epoch);
  };

  it('takes what was retired by then, from the file and its backup; never the current or a pending epoch', async () => {
    await rotateAt(10);
    await rotateAt(20);
    await vault.rotate();
    assert.deepEqual(
      (await vault.ecdhKeys()).map(({ retiredAt }) => retiredAt),
      [10, 20, undefined, undefined],
    );
    assert.deepEqual(await vault.erase({ retiredBefore: 9 }), []);
    assert.deepEqual(await vault.erase({ retiredBefore: 10 }), [0]);
    for (const name of ['vault', 'vault.bak']) assert.deepEqual(await epochsIn(name), [1, 2, 3]);
    assert.deepEqual(await vault.erase({ retiredBefore: 1e15 }), [1]);
    assert.deepEqual(await vault.erase({ retiredBefore: 1e15 }), []);
    for (const name of ['vault', 'vault.bak']) assert.deepEqual(await epochsIn(name), [2, 3]);
    assert.equal(await epochsOf(vault), '2:current 3:pending');
  });

  it('leaves a name behind: messages to the epoch are told so, others open', async () => {
    await using peer = await newVault(folder('peer'));
    const old = await sealTo(peer, vault, 'old');
    await rotateAt(10);
    const newer = await sealTo(peer, vault, 'newer');
    assert.equal(await openText(vault, old), 'old');
    await vault.erase({ retiredBefore: 10 });
    assert.deepEqual((await rejected(openText(vault, old), 'epoch-erased')).details, { epoch: 0 });
    assert.equal(await openText(vault, newer), 'newer');
  });

  it('is made up for where a crash came between the backup and the file', async () => {
    await rotateAt(10);
    const before = await readFile(folder('vault'));
    await vault.erase({ retiredBefore: 10 });
    await writeFile(folder('vault'), before);
    assert.deepEqual(await vault.erase({ retiredBefore: 10 }), [0]);
    for (const name of ['vault', 'vault.bak']) assert.deepEqual(await epochsIn(name), [1]);
  });

  it('is not undone by another opening that still had the epoch', async () => {
    await using peer = await newVault(folder('peer'));
    const old = await sealTo(peer, vault, 'old');
    await rotateAt(10);
    const { openVault } = await import('../../src/vault/index.ts');
    await using other = await openVault({ path: folder('vault'), sealer });
    await vault.erase({ retiredBefore: 10 });
    await other.rotate();
    for (const name of ['vault', 'vault.bak']) assert.deepEqual(await epochsIn(name), name === 'vault' ? [1, 2] : [1]);
    await rejected(openText(other, old), 'epoch-erased');
  });
});
