import type { Hex } from '../codec/index.ts';
import { isWaiting } from './message-record.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

const pageSize = 256;

/**
 * Messages that may go either way and have a place on the chain's side, or are signed there, those of extrinsics under way among
 * them; one may come twice, and one that went where an earlier version left its place.
 */
export async function* onChainSide(store: OutboxStore): AsyncGenerator<{ readonly to: Hex; readonly id: SendId }> {
  for (let from = 0n; ;) {
    const { entries, last } = await store.fallenBack(pageSize, from);
    yield* entries;
    if (last === undefined) break;
    from = last + 1n;
  }
  // What is signed has no place, in an extrinsic or in none.
  for (const [id] of await store.allSigned()) {
    const stored = await store.get(id);
    if (stored?.record.via === 'auto' && isWaiting(stored)) yield { to: stored.record.to, id };
  }
}
