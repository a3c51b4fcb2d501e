import { RelayError } from '../../errors/index.ts';
import { trialBytes } from '../mail-quota.ts';
import { attemptMs, parseAck, readAck, toHeaders } from './publication.ts';
import type { Shards } from './shard.ts';

const lifetime = '1h';

/** Writes to every stream, where the last trial was. Throws mailbox-full, mail-store-failed. */
export async function tryStreams({ all }: Shards): Promise<void> {
  await Promise.all(
    all.map(async ({ link, trial }) => {
      const headers = toHeaders({ 'Nats-Rollup': 'sub', 'Nats-TTL': lifetime });
      const answer = await link.request(trial, new Uint8Array(trialBytes), { headers, timeout: attemptMs });
      const published = readAck(parseAck(answer));
      if (typeof published === 'string')
        throw new RelayError('mail-store-failed', { details: { action: 'write', reason: published } });
      if ('refused' in published && published.refused === 'full')
        throw new RelayError('mailbox-full', { details: { recipient: 'anyone', reason: published.reason } });
    }),
  );
}
