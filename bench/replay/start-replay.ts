import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface ReplayOptions {
  readonly workers: number;
  /** Default: two URLs each. */
  readonly hasRecords?: boolean;
  /** Blocks without a change. */
  readonly quiet?: number;
  /** Workers changed in each of the blocks after those. */
  readonly busy?: readonly number[];
}

export interface Replay extends AsyncDisposable {
  readonly url: string;
  readonly workers: number;
  /** The block that is shown first; the quiet ones follow it. */
  readonly first: number;
}

const script = fileURLToPath(new URL('replay-process.ts', import.meta.url));

/** A node that answers from memory, in a process of its own. */
export async function startReplay({
  workers,
  hasRecords = false,
  quiet = 0,
  busy = [],
}: ReplayOptions): Promise<Replay> {
  const args = [String(workers), hasRecords ? 'records' : 'plain', String(quiet), busy.join()];
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const ended = once(child, 'close').then(() => {
    throw new Error('the replay ended before it began');
  });
  ended.catch(() => undefined);
  while (!text.includes('\n')) await Promise.race([once(child.stdout, 'data'), ended]);
  const { url, first } = JSON.parse(text) as { url: string; first: number };
  return {
    url,
    workers,
    first,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.stdin.end();
      await once(child, 'close');
    },
  };
}
