import { RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Finality, Inclusion } from '../chain.ts';
import { LatestValue } from '../head/latest-value.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';
import { findIn } from './block-body.ts';
import type { ExtrinsicStatus, StatusWatch } from './extrinsic-status.ts';
import { judge } from './pool-verdict.ts';
import type { SignedExtrinsic } from './sign-extrinsic.ts';
import type { SubmitSources } from './submit-sources.ts';

/**
 * Waits until the extrinsic is in a block. What its node reports is believed for a `finalized` or `inBlock` only; for all
 * else blocks are searched, and the same signed bytes (never others) are posted again: its nonce lets it in once.
 * Throws dispatch-failed, extrinsic-expired, nonce-conflict, extrinsic-rejected.
 */
export async function follow(
  sources: SubmitSources,
  extrinsic: SignedExtrinsic,
  watch: StatusWatch | undefined,
  finality: Finality,
  signal: AbortSignal | undefined,
): Promise<Inclusion> {
  const { newest$, connection } = sources;
  using finalized = new LatestValue(newest$.finalized, () => connection.stopped.reason as unknown);
  const dead = finalized
    .next(signal, ({ value }) => value.head.number >= extrinsic.death)
    .then((): ExtrinsicStatus => ({ kind: 'dead' }));
  dead.catch(() => undefined); // whoever loses the race is not awaited
  try {
    while (watch !== undefined) {
      const status = await Promise.race([watch.next(signal), dead]);
      if (status.kind === 'finalized' || (status.kind === 'inBlock' && finality === 'best')) {
        const inclusion = await findIn(sources.storageAt(status.block), sources.readAt, extrinsic, signal);
        if (inclusion !== undefined) return inclusion;
        break;
      }
      if (status.kind !== 'inBlock')
        return await search(sources, extrinsic, finality, status.kind === 'invalid', signal);
    }
    return await search(sources, extrinsic, finality, false, signal);
  } finally {
    watch?.end();
  }
}

async function search(
  sources: SubmitSources,
  extrinsic: SignedExtrinsic,
  finality: Finality,
  isInvalid: boolean,
  signal: AbortSignal | undefined,
): Promise<Inclusion> {
  const { connection, heads, newest$ } = sources;
  const searched = new Set<string>();
  let postedIn = 0;
  using newest = new LatestValue(newest$[finality], () => connection.stopped.reason as unknown);
  for (let seen = 0; ;) {
    const { version } = await newest.next(signal, (candidate) => candidate.version > seen);
    seen = version;
    const finalized = await heads.finalized({ signal });
    const last = finality === 'finalized' ? finalized : await heads.best({ signal });
    for (let number = extrinsic.anchor + 1; number <= Math.min(last.number, extrinsic.death); number++) {
      const head = await heads.at(number, { signal });
      if (head === undefined || searched.has(head.hash)) continue;
      const inclusion = await findIn(sources.storageAt(head.hash), sources.readAt, extrinsic, signal);
      if (inclusion !== undefined) return inclusion;
      searched.add(head.hash);
    }
    if (finalized.number >= extrinsic.death)
      throw new RelayError('extrinsic-expired', { details: { block: extrinsic.death } });
    if (isInvalid)
      throw new RelayError('extrinsic-rejected', {
        details: { reason: 'it became invalid while it waited in the pool' },
      });
    const session = await connection.session({ signal });
    if (session.id === postedIn) continue;
    postedIn = session.id;
    if (
      !(await postAgain(session.socket, extrinsic, signal)) &&
      (await isSuperseded(sources, extrinsic, searched, signal))
    )
      throw new RelayError('nonce-conflict', {
        details: { account: extrinsic.account, nonce: extrinsic.nonce, times: 1 },
      });
  }
}

/** False where the node says that the nonce is used. */
async function postAgain(
  socket: RpcSocket,
  extrinsic: SignedExtrinsic,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await socket.request('author_submitExtrinsic', [extrinsic.hex], { signal });
    return true;
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof RpcError) {
      const verdict = judge(error);
      return !(verdict.kind === 'nonce-taken' && verdict.stale);
    }
    if (error instanceof ConnectionLost) return true;
    throw error;
  }
}

/** Whether a finalized block has another extrinsic with this nonce: then this one is dead before its era ends. */
async function isSuperseded(
  { heads, nonceAt }: SubmitSources,
  extrinsic: SignedExtrinsic,
  searched: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const finalized = await heads.finalized({ signal });
  if ((await nonceAt(extrinsic.account, finalized.hash, signal)) <= extrinsic.nonce) return false;
  for (let number = extrinsic.anchor + 1; number <= finalized.number; number++) {
    const head = await heads.at(number, { signal });
    if (head !== undefined && !searched.has(head.hash)) return false;
  }
  return true;
}
