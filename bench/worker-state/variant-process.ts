// `variant-process.ts NAME URL WORKERS` runs one variant in a process of its own and prints its cost.
import { variants } from './variants.ts';

const [name = '', url = '', workers = ''] = process.argv.slice(2);
const variant = variants[name];
if (variant === undefined) throw new Error(`there is no variant ${name}`);
console.log(JSON.stringify(await variant(url, Number(workers))));
process.exit();
