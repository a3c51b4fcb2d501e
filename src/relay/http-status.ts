import { RelayError } from '../errors/index.ts';

const statusByCode: Readonly<Record<string, number>> = {
  'bad-signature': 401,
  'login-refused': 401,
  'challenge-expired': 401,
  'not-logged-in': 401,
  'sender-refused': 403,
  'recipient-not-served': 404,
  'no-such-route': 404,
  'unknown-message': 404,
  'method-not-allowed': 405,
  'epoch-erased': 410,
  'envelope-too-large': 413,
  'batch-too-large': 413,
  'unsupported-media-type': 415,
  'not-for-us': 422,
  'unknown-epoch': 422,
  'open-failed': 422,
  'bad-public-key': 422,
  'bad-shared-secret': 422,
  'clock-skew': 422,
  'replay-too-old': 422,
  'recipient-unreachable': 422,
  'upgrade-required': 426,
  'rate-limited': 429,
  'relay-failed': 500,
  'relay-busy': 503,
  'verifier-busy': 503,
  'verifier-closed': 503,
  'relay-stopping': 503,
  'mailbox-full': 507,
  'reply-boxes-full': 507,
  'too-many-hops': 508,
  'forward-loop': 508,
};

// Faults of the peer's bytes: 400. What is in neither list is a fault of ours.
const badRequest: ReadonlySet<string> = new Set([
  'bad-request',
  'bad-frame',
  'bad-id',
  'bad-hex',
  'bad-length',
  'bad-value',
  'truncated',
  'trailing-bytes',
  'non-canonical',
  'unknown-variant',
  'field-mismatch',
  'signer-mismatch',
  'off-chain-only-v1',
  'window-exceeded',
  'session-replaced',
]);

/** Whether a relay may answer with it. Anything else that a peer says in our words is its invention. */
export function isRelayAnswer(code: string): boolean {
  return Object.hasOwn(statusByCode, code) || badRequest.has(code);
}

export function httpStatusOf(code: string): number {
  return statusByCode[code] ?? (badRequest.has(code) ? 400 : 500);
}

/** What a stranger may read: failures of our own without their details, which may name paths and hosts. */
export function publicError(error: RelayError): RelayError {
  if (httpStatusOf(error.code) !== 500) return error;
  return new RelayError('relay-failed', { details: { reason: 'the cause is in its log' }, cause: error });
}
