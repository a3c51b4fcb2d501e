/** So many at once, then so many a second. */
export interface Rate {
  /** Messages a second. */
  readonly perSecond: number;
  /** Messages at once after a pause. */
  readonly burst: number;
}

/** What bounds the memory and the work of a relay. */
export interface RelayLimits {
  /** SignedEnvelope, bytes. Default 256 KiB. */
  readonly maxMessageBytes: number;
  /** Messages of one HTTP request. Default 256. */
  readonly maxBatch: number;
  /** Body of one HTTP request, bytes. Default 4 MiB. */
  readonly maxBodyBytes: number;
  /** Bytes of messages between arrival and answer, all senders together. Default 64 MiB. */
  readonly maxPendingBytes: number;
  /** TCP connections. Default 10 000. */
  readonly maxConnections: number;
  /** WebSockets of one address. Default 256. */
  readonly maxConnectionsPerAddress: number;
  /** Unanswered requests of one WebSocket. Default 256. */
  readonly window: number;
  /** Deliveries that one recipient may ask for ahead. Default 1024. */
  readonly maxCredit: number;
  /** Reply boxes that one WebSocket may wait at. Default 1024. */
  readonly maxAwaitedReplies: number;
  /** Bytes waiting for one WebSocket to read them. Default 1 MiB. */
  readonly maxBufferedBytes: number;
  /** How long a WebSocket may stay above that, ms. Default 30 000. */
  readonly slowReaderMs: number;
  /** Time between pings; a WebSocket silent for two of them is cut, ms. Default 30 000. */
  readonly pingIntervalMs: number;
  /** A WebSocket that neither logs in nor sends is closed after this, ms. Default 300 000. */
  readonly idleMs: number;
  /** Time for a whole HTTP request to arrive, ms. Default 10 000. */
  readonly requestTimeoutMs: number;
  /** Validity of a login challenge, ms. Default 60 000 (protocol.md §11). */
  readonly challengeMs: number;
  /** Most difference between sentAt and the relay's clock, ms. Default 600 000 (protocol.md §9). */
  readonly maxSkewMs: number;
  /** Most age of a message that another relay forwards; also how long one waits to be forwarded, ms. Default 24 h. */
  readonly maxForwardAgeMs: number;
  /** Time that stop() waits for messages in flight, ms. Default 10 000. */
  readonly drainMs: number;
  /** Default 200 a second, 2 000 at once. */
  readonly perIdentity: Rate;
  /** Default 2 000 a second, 10 000 at once. */
  readonly perRecipient: Rate;
  /** IPv6: of a /64. Default 2 000 a second, 10 000 at once. */
  readonly perAddress: Rate;
  /** Identities, recipients or addresses whose rate is remembered, each. Default 100 000. */
  readonly maxTracked: number;
}

const minute = 60_000;
const hour = 60 * minute;
const mebibyte = 2 ** 20;

export const defaultLimits: RelayLimits = {
  maxMessageBytes: mebibyte / 4,
  maxBatch: 256,
  maxBodyBytes: 4 * mebibyte,
  maxPendingBytes: 64 * mebibyte,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 256,
  window: 256,
  maxCredit: 1024,
  maxAwaitedReplies: 1024,
  maxBufferedBytes: mebibyte,
  slowReaderMs: minute / 2,
  pingIntervalMs: minute / 2,
  idleMs: 5 * minute,
  requestTimeoutMs: minute / 6,
  challengeMs: minute,
  maxSkewMs: 10 * minute,
  maxForwardAgeMs: 24 * hour,
  drainMs: minute / 6,
  perIdentity: { perSecond: 200, burst: 2_000 },
  perRecipient: { perSecond: 2_000, burst: 10_000 },
  perAddress: { perSecond: 2_000, burst: 10_000 },
  maxTracked: 100_000,
};
