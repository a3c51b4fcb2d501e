import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Hex } from '../codec/index.ts';
import { visibleLines } from './visible.ts';

/** A line of `--json`; 64-bit integers go as decimal text. */
export type JsonEvent = Readonly<Record<string, unknown>>;

/** Prints to stdout: JSON lines with `--json`, else a person's text. */
export interface Output {
  readonly isJson: boolean;
  print(event: JsonEvent, human: string): void;
  /**
   * Prints what is to be acknowledged; gives whether the operating system took the line. It does not where the reader is gone, which
   * interrupts the command. In order, also where earlier lines are not taken yet.
   */
  handOver(event: JsonEvent, human: string): Promise<boolean>;
  /** To people only: what --json leaves out. */
  say(human: string): void;
  /** Resolves once a slow reader has taken most of what was printed: for whoever prints without an end. */
  drained(): Promise<void>;
}

export function createOutput(isJson: boolean, stream: Writable = process.stdout): Output {
  const lineOf = (event: JsonEvent, human: string): string =>
    `${isJson ? JSON.stringify(event, plainNumbers) : visibleLines(human)}\n`;
  return {
    isJson,
    print: (event, human) => {
      stream.write(lineOf(event, human));
    },
    handOver: (event, human) =>
      new Promise((resolve) => {
        stream.write(lineOf(event, human), (error) => {
          resolve(error === undefined || error === null);
        });
      }),
    say: (human) => {
      if (!isJson) stream.write(`${visibleLines(human)}\n`);
    },
    drained: () => drained(stream),
  };
}

/** `0x1234…cdef`: enough to tell ids apart by eye. */
export function short(id: Hex): string {
  return `${id.slice(0, 8)}…${id.slice(-4)}`;
}

function plainNumbers(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

async function drained(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain) return;
  await once(stream, 'drain').catch((error: unknown) => {
    // The command is interrupted by that.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  });
}
