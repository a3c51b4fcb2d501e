import type { BlockNumber } from '../block-number.ts';
import type { Head } from './head.ts';
import type { HeadReader } from './head-reader.ts';

/** Headers asked for at once while catching up. */
const headersInFlight = 16;

/**
 * Heads from number `from` up to and with `to`, read ahead by a bounded window. Ends early where the node has no such
 * block, or one that does not follow the one before.
 */
export async function* readRange(
  reader: HeadReader,
  from: BlockNumber,
  to: Head,
  signal: AbortSignal,
): AsyncGenerator<Head> {
  const options = { signal, patienceMs: Infinity };
  const inFlight: Promise<Head | undefined>[] = [];
  let asked = from;
  let last: Head | undefined;
  for (let number = from; number <= to.number; number++) {
    while (asked <= to.number && inFlight.length < headersInFlight) {
      const head = asked === to.number ? Promise.resolve(to) : reader.at(asked, options);
      // Where the loop ends early nobody awaits those behind.
      head.catch(() => undefined);
      inFlight.push(head);
      asked++;
    }
    const head = await inFlight.shift();
    if (head === undefined || (last !== undefined && head.parentHash !== last.hash)) return;
    last = head;
    yield head;
  }
}
