import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A Node process that runs a program and speaks in lines. */
export interface Child {
  readonly pid: number;
  /** The next line that it printed. Fails where it has ended. */
  line(): Promise<string>;
  /** All that it printed and nobody read yet, once it has ended. */
  rest(): Promise<string[]>;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Ends its standard input, with a word: how a child is told to go on. */
  goOn(word?: string): void;
  /** Its exit code, once it has ended. */
  readonly exit: Promise<number | null>;
}

/** @param script in TypeScript, or the path of a plain one. */
export function startChild(script: URL | string, ...args: readonly string[]): Child {
  const program = typeof script === 'string' ? [script] : ['--import=tsx', fileURLToPath(script)];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exit = once(child, 'close').then((values) => values[0] as number | null);
  return {
    pid: child.pid ?? assert.fail('it did not start'),
    exit,
    async line() {
      const next = await lines.next();
      return next.done === true ? assert.fail('the child ended') : next.value;
    },
    async rest() {
      const rest: string[] = [];
      for (let next = await lines.next(); next.done !== true; next = await lines.next()) rest.push(next.value);
      return rest;
    },
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
    goOn(word = '') {
      child.stdin.end(word);
    },
  };
}

/** For children: resolves when the parent says go on, with its word. */
export async function toldToGoOn(): Promise<string> {
  return text(process.stdin);
}
