import type { MessageSender } from '../chain/index.ts';
import type { Header } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Arrival } from './arrival.ts';

const toleranceMs = 600_000;

/** Throws sender-not-proven unless the chain says the same as the header (protocol.md §10). */
export function checkSender(header: Header, sender: MessageSender): void {
  if (sender.kind === header.fromKind && sender.id === header.from) return;
  const proven = sender.kind === 'other' ? sender.name : `${sender.kind} ${sender.id}`;
  throw new RelayError('sender-not-proven', { details: { claimed: `${header.fromKind} ${header.from}`, proven } });
}

/** Throws sender-not-proven, clock-skew (protocol.md §9). */
export function checkRelayed(
  header: Header,
  { toleranceMs: tolerated = toleranceMs }: Pick<Arrival, 'toleranceMs'>,
  nowMs: number,
): void {
  if (header.fromKind !== 'worker')
    throw new RelayError('sender-not-proven', { details: { claimed: header.from, proven: 'a worker' } });
  const difference = Number(header.sentAt - BigInt(nowMs));
  if (Math.abs(difference) > tolerated)
    throw new RelayError('clock-skew', { details: { sentAt: header.sentAt, toleranceMs: tolerated } });
}
