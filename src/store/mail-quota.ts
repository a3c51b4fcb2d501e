import type { Hex } from '../codec/index.ts';
import { checkValue, RelayError } from '../errors/index.ts';

/** Several processes on one store may each let through what they have under way. */
export interface MailQuota {
  /** Most unacknowledged messages of one recipient. Default 100 000. */
  readonly maxCount?: number;
  /** Most unacknowledged bytes of one recipient. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Most unacknowledged bytes of all recipients; 64 KiB at least, with JetStream 192 KiB for each shard. Default 64 GiB. */
  readonly maxTotalBytes?: number;
  /** Part of a mailbox, by messages and by bytes, that one sender may fill. Above 0, at most 1. Default 0.25. */
  readonly senderPart?: number;
  /** From here on a mailbox, and a store as a whole, takes only what known senders send. Above 0, at most 1. Default 0.5. */
  readonly strangerPart?: number;
}

export const defaultQuota = {
  maxCount: 100_000,
  maxBytes: 256 * 2 ** 20,
  maxTotalBytes: 64 * 2 ** 30,
  senderPart: 0.25,
  strangerPart: 0.5,
};

/** Of a trial whether a store takes messages: as long as most of them are, or longer. */
export const trialBytes = 64 * 2 ** 10;

/** What has no room for a trial would never be ready. Throws bad-setting, bad-value. */
export function checkQuota(quota: MailQuota = {}, least = trialBytes): void {
  const { maxCount, maxBytes, senderPart, strangerPart } = { ...defaultQuota, ...quota };
  for (const [name, most] of Object.entries({ maxCount, maxBytes })) checkValue(name, most >= 0, '0 or more');
  for (const [name, part] of Object.entries({ senderPart, strangerPart }))
    checkValue(name, part > 0 && part <= 1, 'above 0, 1 at most');
  const { maxTotalBytes = Infinity } = quota;
  if (maxTotalBytes >= least) return;
  const reason = `it is ${maxTotalBytes}, and ${least} bytes are the least that a store works with`;
  throw new RelayError('bad-setting', { details: { name: 'maxTotalBytes', reason } });
}

/** Who a message is from, as far as room is concerned. */
export interface Origin {
  /** IdentityKey whose signature was checked. */
  readonly sender: Hex;
  /** Whether room is kept for it. */
  readonly isKnown: boolean;
  /**
   * Most mailboxes that may hold messages of this sender at a time, of those that were appended with such a bound: where there are
   * as many, what it has in the oldest makes room. Default: as many as there are.
   */
  readonly maxBoxes?: number;
}

/** Unacknowledged messages of a mailbox, or of one sender in it. */
export interface Fill {
  count: number;
  bytes: number;
}

/** Text: why no mailbox takes a message that makes all of them hold `bytes`; undefined: as far as this goes one does. */
export function whyAllFull(
  { maxTotalBytes, strangerPart }: Pick<Required<MailQuota>, 'maxTotalBytes' | 'strangerPart'>,
  bytes: number,
  origin?: Origin,
): string | undefined {
  if (bytes > maxTotalBytes) return `the relay keeps ${maxTotalBytes} bytes in all`;
  const most = Math.ceil(maxTotalBytes * strangerPart);
  if (origin?.isKnown !== false || bytes <= most) return undefined;
  return `the relay keeps ${most} bytes in all before the rest is left to known senders`;
}

type BoxQuota = Required<Omit<MailQuota, 'maxTotalBytes'>>;

/** Text: why a mailbox takes no more message of `size` bytes; undefined: it does. `ofSender`: what it holds of the sender. */
export function whyFull(
  quota: BoxQuota,
  box: Fill,
  size: number,
  origin?: Origin,
  ofSender?: Fill,
): string | undefined {
  const whole = overflow(quota, 1, box, size);
  if (whole !== undefined) return `it holds ${whole}`;
  if (origin === undefined) return undefined;
  const free = origin.isKnown ? undefined : overflow(quota, quota.strangerPart, box, size);
  if (free !== undefined) return `it holds ${free} before the rest is left to known senders`;
  const own = ofSender && overflow(quota, quota.senderPart, ofSender, size);
  return own === undefined ? undefined : `it holds ${own} of one sender`;
}

function overflow({ maxCount, maxBytes }: BoxQuota, part: number, fill: Fill, size: number): string | undefined {
  const [mostCount, mostBytes] = [Math.ceil(maxCount * part), Math.ceil(maxBytes * part)];
  if (fill.count >= mostCount) return `${fill.count} messages, ${mostCount} are kept`;
  if (fill.bytes + size > mostBytes) return `${fill.bytes} bytes, ${mostBytes} are kept`;
  return undefined;
}
