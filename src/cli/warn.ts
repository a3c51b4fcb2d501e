import { visible } from './visible.ts';

/** A line on stderr. */
export function warn(line: string): void {
  process.stderr.write(`khala-relay: ${visible(line)}\n`);
}
