import { Writable } from 'node:stream';

/** A stream that takes all that is written, a line at a time. */
export function linesTo(take: (line: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string, _, taken) => {
      take(line);
      taken();
    },
  });
}
