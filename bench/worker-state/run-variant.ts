import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Cost } from '../cost.ts';
import type { Task } from './variants.ts';

export type VariantResult = Cost & { readonly heldBytes?: number };

const script = fileURLToPath(new URL('variant-process.ts', import.meta.url));

/** In a process of its own, so that whatever it has to load and compile counts. */
export async function runVariant(name: string, task: Task): Promise<VariantResult> {
  const args = ['--expose-gc', '--import', 'tsx', script, name, JSON.stringify(task)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${name} ended with ${String(child.exitCode)}`);
  return JSON.parse(text) as VariantResult;
}
