import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeEncryptedData, encodeEncryptedData } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { hostileEncodings } from '../support/hostile-keys.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { currentKey, newVault } from '../support/vaults.ts';

describe('vault: the phala suite', () => {
  const folder = useTempDir();
  let alice: Vault;
  let bob: Vault;
  before(ready);
  beforeEach(async () => {
    [alice, bob] = await Promise.all([newVault(folder('alice')), newVault(folder('bob'))]);
  });
  afterEach(async () => {
    await Promise.all([alice.close(), bob.close()]);
  });

  const seal = async (content: Uint8Array): Promise<Uint8Array> =>
    alice.sealPhala({ recipientKey: await currentKey(bob), content });

  it('opens at the recipient, and back at the sender, with the key that the message names', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (content) => {
        const sealed = await seal(content);
        for (const vault of [bob]) {
          const opened = await vault.openPhala(sealed);
          assert.deepEqual(opened.content, content);
          assert.deepEqual(opened.senderKey, await currentKey(alice));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('opens with every epoch that the recipient has, and not with an erased one', async () => {
    const sealed = await seal(Uint8Array.of(1, 2));
    for (let n = 0; n < 3; n++) await bob.activate((await bob.rotate()).epoch);
    assert.deepEqual((await bob.openPhala(sealed)).content, Uint8Array.of(1, 2));
    await bob.erase({ retiredBefore: Date.now() });
    await rejected(bob.openPhala(sealed), 'open-failed');
  });

  it('is refused from hostile keys, altered and cut', async () => {
    const sealed = await seal(Uint8Array.of(1, 2, 3));
    const { iv, data } = decodeEncryptedData(sealed);
    for (const [name, pubkey] of hostileEncodings) {
      if (pubkey.length !== 32) continue;
      await rejected(bob.openPhala(encodeEncryptedData({ iv, pubkey, data })), 'bad-public-key');
      const sealing = alice.sealPhala({ recipientKey: pubkey, content: data });
      await rejected(sealing, 'bad-public-key').catch((error: unknown) => assert.fail(`${name}: ${String(error)}`));
    }
    for (let at = 0; at < sealed.length; at++) {
      await rejected(bob.openPhala(sealed.slice(0, at)), 'truncated', 'open-failed');
      const altered = sealed.slice();
      altered[at] = altered[at]! ^ 1;
      await rejected(
        bob.openPhala(altered),
        'open-failed',
        'bad-public-key',
        'truncated',
        'trailing-bytes',
        'non-canonical',
      );
    }
    await rejected((await newVault(folder('carol'))).openPhala(sealed), 'open-failed');
  });
});
