import { linesOf } from './lines-of.ts';

/** What an inbox handed to a consumer that was killed again and again, by the lines that it wrote: `started`, `got TEXT`, `done TEXT`. */
export interface HandedOut {
  readonly texts: readonly string[];
  /**
   * What it was handed in error: twice in one life, or after its acknowledgement was durable. What it had not acknowledged when it died
   * comes again, and shall.
   */
  readonly repeated: readonly string[];
}

export function readHandedOut(path: string): HandedOut {
  return handedOut(linesOf(path));
}

export function handedOut(lines: readonly string[]): HandedOut {
  const [texts, done, repeated] = [new Set<string>(), new Set<string>(), [] as string[]];
  let inThisLife = new Set<string>();
  for (const line of lines) {
    const [what, text = ''] = line.split(/ (.*)/, 2);
    if (what === 'started') inThisLife = new Set();
    if (what === 'done') done.add(text);
    if (what !== 'got') continue;
    if (inThisLife.has(text) || done.has(text)) repeated.push(text);
    inThisLife.add(text);
    texts.add(text);
  }
  return { texts: [...texts], repeated };
}
