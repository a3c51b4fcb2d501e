import { nuid, type Msg } from '@nats-io/transport-node';
import type { Link } from './link.ts';
import { attemptMs, parseAck, toHeaders, type PubAck, type Publication } from './publication.ts';

/**
 * Stores all or none (NATS ADR-50): with `sync_interval: always` hundreds share a few fsyncs. The answer has the
 * sequence of the last. Rejects where nobody knows.
 */
export async function publishAtomically(link: Link, group: readonly Publication[]): Promise<PubAck> {
  const id = nuid.next();
  let answer: Promise<Msg> | undefined;
  group.forEach(({ subject, data, headers: own }, at) => {
    const isLast = at === group.length - 1;
    const commit = isLast ? { 'Nats-Batch-Commit': '1' } : {};
    const headers = toHeaders({ 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': String(at + 1), ...commit, ...own });
    if (isLast) answer = link.request(subject, data, { headers, timeout: 2 * attemptMs });
    else link.publish(subject, data, { headers });
  });
  return parseAck(await answer);
}
