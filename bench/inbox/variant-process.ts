// `variant-process.ts NAME TASK` runs one variant in a process of its own and prints its cost; TASK is JSON.
import { variants, type Task } from './variants.ts';

const [name = '', task = ''] = process.argv.slice(2);
const variant = variants[name];
if (variant === undefined) throw new Error(`there is no variant ${name}`);
console.log(JSON.stringify(await variant(JSON.parse(task) as Task)));
process.exit();
