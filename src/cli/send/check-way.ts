import { RelayError } from '../../errors/index.ts';
import { mayFollow, noneFollowed } from '../../relay/index.ts';
import { mayReachPrivate } from '../session.ts';
import { carrierOf, type SendingParts } from './sending.ts';

/** Throws no-endpoint and recipient-unreachable where a message has no way that it may take: it is not queued then. */
export function checkWay(sending: SendingParts): void {
  const { as, via } = sending.context.flags;
  if (as === 'account' || via === 'chain' || (via !== 'relay' && sending.account !== undefined)) return;
  checkWayOffChain(sending);
}

/** As {@link checkWay}, of what must not go on chain. */
export function checkWayOffChain(sending: SendingParts): void {
  const { to, recipient, context, chain } = sending;
  if (carrierOf(sending).canReach(to)) return;
  const { endpoints } = recipient;
  if (endpoints.length === 0) throw new RelayError('no-endpoint', { details: { id: to } });
  const found = noneFollowed(endpoints, { allowPrivate: mayReachPrivate(context.settings, chain) });
  const isPrivate = endpoints.some((endpoint) => mayFollow(endpoint, { allowPrivate: true }));
  const hint = isPrivate ? ' (--allow-private lets private addresses through)' : '';
  const reason = `${found}${hint}; the message is not queued`;
  throw new RelayError('recipient-unreachable', { details: { recipient: to, reason } });
}
