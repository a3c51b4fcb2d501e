import { isRelayError } from '../../errors/index.ts';
import type { LagPatience } from '../quorum/lag-patience.ts';
import type { BlockId, Head } from './head.ts';
import type { HeadReader } from './head-reader.ts';
import type { Listening } from './listening.ts';
import type { NewestHead } from './newest-heads.ts';

/**
 * The block that was seen last. Where nobody has it the node in use may be behind: it is asked for again with each head that
 * is told of, until one is as high. Throws state-discarded where it is gone.
 */
export async function readSeen(
  { number, hash }: BlockId,
  reader: Pick<HeadReader, 'byHash'>,
  { newest, signal }: Pick<Listening, 'newest' | 'signal'>,
  lag: Pick<LagPatience, 'mayBeBehind'>,
): Promise<Head> {
  let told: NewestHead | undefined;
  for (let seen = 0; ;) {
    try {
      return await reader.byHash(hash, { signal, patienceMs: Infinity });
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      if (told !== undefined) {
        const { head, url } = told;
        if (head.number >= number || !(await lag.mayBeBehind(url, hash, head.number))) throw error;
      }
    }
    ({ value: told, version: seen } = await newest.next(signal, ({ version }) => version > seen));
  }
}
