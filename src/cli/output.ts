import { once } from 'node:events';
import type { Hex } from '../codec/index.ts';
import { visibleLines } from './visible.ts';

/** A line of `--json`; 64-bit integers go as decimal text. */
export type JsonEvent = Readonly<Record<string, unknown>>;

/** Prints to stdout: JSON lines with `--json`, else a person's text. */
export interface Output {
  readonly isJson: boolean;
  print(event: JsonEvent, human: string): void;
  /** To people only: what --json leaves out. */
  say(human: string): void;
  /** Resolves once a slow reader has taken most of what was printed: for whoever prints without an end. */
  drained(): Promise<void>;
}

export function createOutput(
  isJson: boolean,
  write: (text: string) => void = toStdout,
  drained: () => Promise<void> = stdoutDrained,
): Output {
  return {
    isJson,
    print: (event, human) => {
      write(`${isJson ? JSON.stringify(event, plainNumbers) : visibleLines(human)}\n`);
    },
    say: (human) => {
      if (!isJson) write(`${visibleLines(human)}\n`);
    },
    drained,
  };
}

/** `0x1234…cdef`: enough to tell ids apart by eye. */
export function short(id: Hex): string {
  return `${id.slice(0, 8)}…${id.slice(-4)}`;
}

function plainNumbers(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function toStdout(text: string): void {
  process.stdout.write(text);
}

async function stdoutDrained(): Promise<void> {
  if (!process.stdout.writableNeedDrain) return;
  await once(process.stdout, 'drain').catch((error: unknown) => {
    // The command is interrupted by that.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  });
}
