import assert from 'node:assert/strict';
import { access, readdir } from 'node:fs/promises';
import { ready } from '../../src/crypto/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { epochsOf, newVault, publicKeys, reopen } from '../support/vaults.ts';

const childScript = new URL('vault-child.ts', import.meta.url);

describe('vault: several processes', () => {
  const folder = useTempDir();
  before(ready);

  it('lose no update of each other, though both rotate and activate all the time', async () => {
    await using vault = await newVault(folder('vault'));
    const children = [1, 2].map(() => startChild(childScript, 'rotate', folder('vault'), '8'));
    await Promise.all(children.map((child) => child.line()));
    for (const child of children) child.goOn();
    // What each of them was told that it made.
    const told = (await Promise.all(children.map((child) => child.rest()))).flat();
    assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0]);
    const stored = await publicKeys(vault);
    for (const line of told) assert.ok(stored.includes(line), `${line} is lost`);
    assert.equal(stored.length, new Set(told).size + 1);
    assert.deepEqual(
      stored.map((line) => Number(line.split(' ')[0])),
      stored.map((_, epoch) => epoch),
    );
    assert.match(await epochsOf(vault), /^(\d+:retired )+\d+:current$/);
    assert.deepEqual(await readdir(folder()), ['vault', 'vault.bak']);
  });

  it('may be killed at any moment: the file opens with all that was promised, its backup opens, and work goes on', async () => {
    const made = await newVault(folder('vault'));
    let promised: string[] = [];
    for (const lines of [1, 4, 9]) {
      const child = startChild(childScript, 'rotate', folder('vault'), 'forever');
      await child.line();
      child.goOn();
      for (let n = 0; n < lines; n++) promised.push(await child.line());
      await child.kill();
      promised.push(...(await child.rest()));
      for (const name of ['vault', 'vault.bak']) {
        await using opened = await reopen(folder(name));
        assert.equal(opened.identity, made.identity);
        const stored = await publicKeys(opened);
        // The backup is one change behind, and a change that made an epoch is half of all.
        const due = name === 'vault' ? promised : promised.slice(0, -1);
        for (const line of due) assert.ok(stored.includes(line), `${line} is lost in ${name}`);
      }
      // The lock of the dead process does not stand in the way.
      const next = await made.rotate();
      await made.activate(next.epoch);
      promised = await publicKeys(made);
    }
  });

  it('wait for one that lives and holds the lock, and are told who it is', async () => {
    await using vault = await newVault(folder('vault'));
    const child = startChild(new URL('../store/file-lock-child.ts', import.meta.url), folder('vault'));
    await child.line();
    const { details } = await rejected(vault.rotate(), 'locked');
    assert.equal(details?.['pid'], child.pid);
    await child.kill();
    assert.equal((await vault.rotate()).epoch, 1);
    await assert.rejects(access(folder('vault.lock')));
  });
});
