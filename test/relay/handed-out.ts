import { existsSync, readFileSync } from 'node:fs';

/** What an inbox handed to a consumer that was killed again and again, by the lines that it wrote: `started`, `got TEXT`, `done TEXT`. */
export interface HandedOut {
  readonly texts: readonly string[];
  /**
   * What it was handed in error: twice in one life, or after its acknowledgement was durable. What it had not acknowledged when it died
   * comes again, and shall.
   */
  readonly repeated: readonly string[];
}

/** Gives what a file that grows has by now: each line is looked at once, however often it is asked. The last may be half written. */
export function followHandedOut(path: string): () => HandedOut {
  const reading = new Reading();
  let read = 0;
  return () => {
    const bytes = existsSync(path) ? readFileSync(path) : Buffer.of();
    const end = bytes.lastIndexOf('\n') + 1;
    if (end > read) bytes.toString('utf8', read, end).trimEnd().split('\n').forEach(reading.take);
    read = Math.max(read, end);
    return reading.handedOut;
  };
}

export function handedOut(lines: readonly string[]): HandedOut {
  const reading = new Reading();
  lines.forEach(reading.take);
  return reading.handedOut;
}

class Reading {
  readonly #texts = new Set<string>();
  readonly #done = new Set<string>();
  readonly #repeated: string[] = [];
  #inThisLife = new Set<string>();

  readonly take = (line: string): void => {
    const [what, text = ''] = line.split(/ (.*)/, 2);
    if (what === 'started') this.#inThisLife = new Set();
    if (what === 'done') this.#done.add(text);
    if (what !== 'got') return;
    if (this.#inThisLife.has(text) || this.#done.has(text)) this.#repeated.push(text);
    this.#inThisLife.add(text);
    this.#texts.add(text);
  };

  get handedOut(): HandedOut {
    return { texts: [...this.#texts], repeated: [...this.#repeated] };
  }
}
