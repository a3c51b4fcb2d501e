import type { Logger } from 'pino';
import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { Mail } from '../store/mail-store.ts';
import { endingSignal } from './deadline.ts';
import type { EndpointHealth } from './endpoint-health.ts';
import { checkEndpoint, type EndpointPolicy } from './endpoint-policy.ts';
import { errorOutcome, receiptOutcome, type Attempt } from './forward-outcome.ts';
import { postMessage } from './post-message.ts';
import { routeUrl } from './relay-url.ts';
import type { ResolvedNames } from './resolved-names.ts';
import type { Transport } from './transport.ts';

export interface AttemptParts extends EndpointPolicy {
  readonly transport: Transport;
  /** What `transport` dials names by. */
  readonly names: ResolvedNames;
  /** Of endpoints, as attempts find it. */
  readonly health: EndpointHealth;
  readonly logger: Logger;
  /** Time for it, ms. */
  readonly attemptMs: number;
}

/** Offers a queued message to one endpoint of its recipient, and keeps in mind what came of it. Never rejects. */
export async function attemptForward(
  endpoint: string,
  recipient: Hex,
  mail: Mail,
  parts: AttemptParts,
  stopped: AbortSignal,
): Promise<Attempt> {
  const { names, health } = parts;
  const network = names.networkOf(endpoint);
  const outcome = await post(endpoint, mail, parts, stopped);
  // One that may not be followed too: the message was taken, and its recipient may name another.
  if (outcome !== 'failed') health.succeeded(endpoint, recipient, false);
  else if (!stopped.aborted) {
    health.failed(endpoint);
    names.passOver(endpoint, network);
  }
  return outcome;
}

async function post(
  endpoint: string,
  { messageId, bytes }: Mail,
  parts: AttemptParts,
  stopped: AbortSignal,
): Promise<Attempt> {
  const { transport, attemptMs, logger } = parts;
  using ending = endingSignal(attemptMs, stopped);
  const { signal } = ending;
  try {
    checkEndpoint(endpoint, parts);
    const receipt = await postMessage(transport, routeUrl(endpoint, 'http', '/v1/forward'), bytes, signal);
    return receiptOutcome(receipt, messageId);
  } catch (error) {
    if (isRelayError(error) || signal.aborted) logger.debug({ err: error, endpoint }, 'forwarding attempt failed');
    else logger.error({ err: error, endpoint }, 'forwarding attempt failed');
    return errorOutcome(error);
  }
}
