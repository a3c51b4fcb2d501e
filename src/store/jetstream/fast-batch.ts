import { nuid } from '@nats-io/transport-node';
import type { Link } from './link.ts';
import { attemptMs, parseAck, toHeaders, type PubAck, type Publication } from './publication.ts';

// Last but one token of a reply subject.
const operations = { start: 0, append: 1, commit: 2 };
// The server tells how far it is after so many: never, but at the end.
const flow = 10_000;

/**
 * Stores messages one after the other with one answer for all (NATS ADR-50, fast ingest, since nats-server 2.14):
 * without the staging of an atomic batch, and without the order that would tell each message's sequence. Whether all are
 * stored; where not, or nobody knows, some of them may be.
 */
export function publishFast(link: Link, group: readonly Publication[]): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (isStored: boolean): void => {
      clearTimeout(timer);
      stop();
      resolve(isStored);
    };
    const { reply: inbox, stop } = link.listen((message) => {
      if (message === undefined) {
        done(false);
        return;
      }
      const { stream, error, count }: PubAck & { readonly stream?: string } = parseAck(message);
      // Others tell how far it is.
      if (stream !== undefined) done(error === undefined && count === group.length);
    });
    const timer = setTimeout(done, 2 * attemptMs, false);
    const id = nuid.next();
    try {
      group.forEach(({ subject, data, headers }, at) => {
        const isLast = at === group.length - 1;
        const operation = isLast ? operations.commit : at === 0 ? operations.start : operations.append;
        const reply = `${inbox}.${id}.${flow}.fail.${at + 1}.${operation}.$FI`;
        link.publish(subject, data, { headers: toHeaders(headers), reply });
      });
    } catch {
      // The link is down, and says so to whoever asks next.
      done(false);
    }
  });
}
