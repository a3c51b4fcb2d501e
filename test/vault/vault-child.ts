// A process of the crash tests. When told to go on:
// `rotate PATH N|forever` rotates and activates, and prints each epoch and key once it is told that they are made;
// `reseal PATH forever` changes the passphrase to and fro, and prints a line after each change.
import { toHex } from '../../src/codec/index.ts';
import { resealVault } from '../../src/vault/index.ts';
import { toldToGoOn } from '../support/child.ts';
import { cheap, passphrase, reopen } from '../support/vaults.ts';

const [what, path = '', times = '0'] = process.argv.slice(2);
await using vault = await reopen(path);
console.log('ready');
await toldToGoOn();
const words = [passphrase, 'another'] as const;
for (let n = 0; times === 'forever' || n < Number(times); n++) {
  if (what === 'reseal') {
    const [from, to] = n % 2 === 0 ? words : words.toReversed();
    await resealVault({ path, passphrase: from, next: { passphrase: to, cost: cheap } });
    process.stdout.write('resealed\n');
    continue;
  }
  const { epoch, publicKey } = await vault.rotate();
  process.stdout.write(`${epoch} ${toHex(publicKey)}\n`);
  await vault.activate(epoch);
}
