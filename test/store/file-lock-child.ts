// A process of file-lock.test.ts: takes the lock of PATH, says so, and holds it until it is killed.
import { lockFile } from '../../src/store/index.ts';
import { toldToGoOn } from '../support/child.ts';

const [path = ''] = process.argv.slice(2);
const lock = await lockFile(path);
console.log('locked');
await toldToGoOn();
await lock.release();
