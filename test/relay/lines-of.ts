import { existsSync, readFileSync } from 'node:fs';

/** The last may be half written. */
export function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}
