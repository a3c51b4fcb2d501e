// `variant-process.ts NAME TASK TIMES` runs one variant so many times in a process of its own, over one connection, and
// prints each cost; TASK is JSON.
import { aesAndLmdb, opening } from './open-variants.ts';
import { variants, type Task } from './variants.ts';

const [name = '', task = '', times = '1'] = process.argv.slice(2);
const variant = { ...variants, opening, 'aes-and-lmdb': aesAndLmdb }[name];
if (variant === undefined) throw new Error(`there is no variant ${name}`);
const connected = await variant(JSON.parse(task) as Task);
const costs = [];
for (let i = 0; i < Number(times); i++) costs.push(await connected.run());
await connected.end();
console.log(JSON.stringify(costs));
process.exit();
