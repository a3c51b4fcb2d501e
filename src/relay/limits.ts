import { Errors } from 'typebox/schema';
import { RelayError } from '../errors/index.ts';
import type { MailStore } from '../store/mail-store.ts';
import { frameOverhead } from './frames.ts';

const minute = 60_000;
const hour = 60 * minute;
const mebibyte = 2 ** 20;

const count = (fallback: number, description: string) =>
  ({ type: 'integer', default: fallback, minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description }) as const;
const bytes = (fallback: number, description: string) => count(fallback, `${description}, bytes`);
// What a timer of Node takes.
const ms = (fallback: number, description: string) =>
  ({
    type: 'integer',
    default: fallback,
    minimum: 1,
    maximum: 2 ** 31 - 1,
    description: `${description}, ms`,
  }) as const;
const rate = (perSecond: number, burst: number, description: string, what = 'messages (each 4 KiB that one begins)') =>
  ({
    type: 'object',
    required: ['perSecond', 'burst'],
    properties: { perSecond: { type: 'number', exclusiveMinimum: 0 }, burst: { type: 'number', minimum: 1 } },
    default: { perSecond, burst },
    description: `${description}, ${what}: so many a second, and at once after a pause`,
  }) as const;

const properties = {
  maxMessageBytes: {
    type: 'integer',
    default: mebibyte / 4,
    minimum: 1,
    // A recipient takes no larger frame.
    maximum: mebibyte - frameOverhead,
    description: 'SignedEnvelope, bytes',
  },
  maxBatch: count(256, 'Messages of one HTTP request'),
  maxBodyBytes: bytes(mebibyte, 'JSON, or a batch as bytes, of one HTTP request'),
  maxPendingBytes: bytes(
    64 * mebibyte,
    'Messages between arrival and answer, of all senders together; as much for HTTP bodies, and for WebSocket messages, that are not whole',
  ),
  maxConnections: count(10_000, 'TCP connections'),
  maxConnectionsPerAddress: count(
    256,
    'WebSockets of one address (IPv6: of a /64), and half of its TCP connections, unless it is a trusted proxy',
  ),
  window: count(256, 'Unanswered requests of one WebSocket'),
  maxCredit: count(1024, 'Deliveries that one recipient may ask for ahead'),
  maxAwaitedReplies: count(1024, 'Reply boxes that one WebSocket may wait at'),
  maxUnreadBytes: bytes(
    256 * mebibyte,
    'What waits for all WebSockets to read it, beyond 64 KiB of each; an eighth for one address',
  ),
  maxAwaitedInAll: count(100_000, 'Reply boxes that all WebSockets wait at; an eighth by one address'),
  maxAwaitedDeliveries: count(
    100_000,
    'Messages whose delivery is waited for, by all WebSockets; an eighth by one address',
  ),
  maxTunnels: count(
    512,
    'WebSockets that are joined to other relays for those who wait for answers there; an eighth of one address',
  ),
  maxForwardQueues: count(
    100_000,
    'Pairs of a sender and a recipient of others for whom messages wait to be forwarded; an eighth of them to one recipient, half for known senders',
  ),
  maxReplyBoxes: count(10_000, 'Reply boxes that may hold answers of one worker at a time'),
  maxBufferedBytes: bytes(mebibyte, 'What waits for one WebSocket to read it, each frame with 512 bytes more'),
  slowReaderMs: ms(minute / 2, 'How long a WebSocket may stay above that, and an HTTP answer unread'),
  pingIntervalMs: ms(minute / 2, 'Time between pings; a WebSocket that is silent from one to the next is cut'),
  idleMs: ms(5 * minute, 'After this a WebSocket that neither logs in nor sends is closed'),
  requestTimeoutMs: ms(minute / 6, 'Time for a whole HTTP request to arrive'),
  challengeMs: ms(minute, 'Validity of a login challenge (protocol.md §11)'),
  maxSkewMs: ms(10 * minute, "Most difference between sentAt and the relay's clock (protocol.md §9)"),
  maxForwardAgeMs: ms(24 * hour, 'Most age of what another relay forwards, and most time in the queue to one'),
  maxWorkerStateAgeMs: ms(hour, 'Age of WorkerState from which /readyz says no'),
  metricsAgeMs: {
    type: 'integer',
    default: 1_000,
    minimum: 0,
    maximum: minute,
    description: 'How long an answer of /metrics is given again before the next is made, ms',
  },
  drainMs: ms(minute / 6, 'Time that a stop waits for messages in flight'),
  perIdentity: rate(200, 2_000, 'Of one sender'),
  perRecipient: rate(2_000, 10_000, 'To one recipient'),
  perAddress: rate(2_000, 10_000, 'Of one address; IPv6: of a /64'),
  perAddressQueries: rate(100, 1_000, 'Of one address', 'HTTP requests that bring no message'),
  perAddressConnections: rate(100, 2_000, 'Of one address, unless it is a trusted proxy', 'TCP connections'),
  maxTracked: count(100_000, 'Senders, recipients or addresses whose rate is remembered, each'),
} as const;

export type LimitName = keyof typeof properties;
/** So many at once, then so many a second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}
/** See {@link limitsSchema}. */
export type RelayLimits = {
  readonly [Name in LimitName]: (typeof properties)[Name]['type'] extends 'object' ? Rate : number;
};

const names = Object.keys(properties) as LimitName[];
const defaults = names.map((name) => [name, properties[name].default] as const);

/** What bounds the memory and the work of a relay, as JSON Schema: unit and default of each. */
export const limitsSchema = { type: 'object', required: names, properties } as const;

/** With the defaults. Throws bad-setting. */
export function resolveLimits(given: Partial<RelayLimits> = {}): RelayLimits {
  const limits = Object.fromEntries([
    ...defaults,
    ...Object.entries<unknown>(given).filter(([, value]) => value !== undefined),
  ]);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(properties, name));
  const [, [error]] = Errors(limitsSchema, limits);
  if (unknown !== undefined)
    throw new RelayError('bad-setting', { details: { name: unknown, reason: 'there is none' } });
  if (error === undefined) return limits as unknown as RelayLimits;
  const name = error.instancePath.slice(1).replaceAll('/', '.');
  throw new RelayError('bad-setting', { details: { name, reason: `it ${error.message}` } });
}

/** What comes again after a store forgot its id would be stored twice. Throws bad-setting. */
export function checkAges(limits: RelayLimits, { dedupeMs }: Pick<MailStore, 'dedupeMs'>): void {
  if (limits.maxForwardAgeMs + limits.maxSkewMs <= dedupeMs) return;
  const reason = `with maxSkewMs it exceeds the ${dedupeMs} ms for which message ids are remembered`;
  throw new RelayError('bad-setting', { details: { name: 'maxForwardAgeMs', reason } });
}
