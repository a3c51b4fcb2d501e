// A process of crash.test.ts. `rotate PATH N|forever`: when told to go on, rotates and activates, and prints each epoch
// and key once it is told that they are made.
import { toHex } from '../../src/codec/index.ts';
import { toldToGoOn } from '../support/child.ts';
import { reopen } from '../support/vaults.ts';

const [, path = '', times = '0'] = process.argv.slice(2);
await using vault = await reopen(path);
console.log('ready');
await toldToGoOn();
for (let n = 0; times === 'forever' || n < Number(times); n++) {
  const { epoch, publicKey } = await vault.rotate();
  process.stdout.write(`${epoch} ${toHex(publicKey)}\n`);
  await vault.activate(epoch);
}
