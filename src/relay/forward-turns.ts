import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { Backoff } from './backoff.ts';
import { EndpointHealth } from './endpoint-health.ts';
import { attemptForward, type AttemptParts } from './forward-attempt.ts';
import type { Attempt } from './forward-outcome.ts';
import { queuedMessage } from './forward-queue.ts';
import type { ForwardRoom } from './forward-room.ts';
import { ForwardRounds } from './forward-rounds.ts';
import { suspectLane, type Lane } from './keyed-scheduler.ts';
import type { Router } from './route.ts';

export interface TurnParts extends Omit<AttemptParts, 'health'> {
  /** The queues. */
  readonly store: Pick<MailStore, 'read'>;
  /** Where messages go that turn out to be ours by now. */
  readonly mailStore: Pick<MailStore, 'append'>;
  readonly router: Router;
  /** Whose the queues are. */
  readonly room: Pick<ForwardRoom, 'recipientOf'>;
  /** How long an endpoint comes last after failures in a row. */
  readonly backoff: Backoff;
  /** A message that waited longer is given up, ms. */
  readonly maxAgeMs: number;
  /** Unix time, ms. */
  readonly clock: () => number;
}

export interface Turn {
  readonly lane: Lane;
  /** No further attempt is begun after this, as of `performance.now()`. */
  readonly endsAt: number;
  /** Nor once this is aborted, which ends the one under way. */
  readonly stopped: AbortSignal;
}

/** again: it was not offered to all endpoints yet, or is to be in another lane. */
export type Outcome = Attempt | 'expired' | 'again';

/** A message, and where it may go. */
interface Offered {
  readonly queue: Hex;
  readonly mail: Mail;
  readonly recipient: Hex;
  readonly endpoints: readonly string[];
}

// For one turn, of those that the recipient's entry names: the likeliest that the message was not offered to.
const maxEndpoints = 4;
// Relays that see the chain at different blocks send a message to each other; after this they see the same.
const circlingMs = 600_000;

/** Where the first message of a queue is offered next, and what comes of it in one turn of the queue's. */
export class ForwardTurns {
  readonly #parts: TurnParts & AttemptParts;
  readonly #rounds = new ForwardRounds();
  /** What queues ask first in the turn that they wait for, where a turn before has told. */
  readonly #next = new Map<Hex, string>();

  constructor(parts: TurnParts) {
    this.#parts = { ...parts, health: new EndpointHealth({ backoff: parts.backoff, now: parts.clock }) };
  }

  /** Whether {@link laneOf} can tell. */
  isPrepared(queue: Hex): boolean {
    const endpoint = this.#firstOf(queue);
    return endpoint === undefined || this.#parts.names.networkOf(endpoint) !== undefined;
  }

  /** Asks for the name that {@link laneOf} tells by. */
  async prepare(queue: Hex): Promise<void> {
    const { names, store } = this.#parts;
    const endpoint = this.#firstOf(queue);
    const [mail] = await store.read(queue, 0n, { count: 1 });
    if (endpoint !== undefined && mail !== undefined && !this.#isTooOld(mail)) await names.learn(endpoint);
  }

  /** Where its messages go first, as far as turns are concerned; suspect where nothing came of it there the last time. */
  laneOf(queue: Hex): Lane {
    const { health, names } = this.#parts;
    const endpoint = this.#firstOf(queue);
    if (endpoint === undefined) return '';
    // Of a name that was not asked for its turn tells.
    return health.isDoubtful(endpoint) ? suspectLane : (names.lastNetworkOf(endpoint) ?? '');
  }

  /** Offers it to endpoints at one address, the likeliest: others are another turn's. */
  async offer(queue: Hex, mail: Mail, { lane, endsAt, stopped }: Turn): Promise<Outcome> {
    const { names } = this.#parts;
    const next = this.#next.get(queue);
    this.#next.delete(queue);
    const { to: recipient } = queuedMessage(mail.bytes);
    if (this.#isTooOld(mail)) return 'expired';
    const endpoints = await this.#endpointsOf(recipient, mail);
    if (endpoints === undefined) return 'forwarded';
    const offered = { queue, mail, recipient, endpoints };
    const left = this.#left(offered, next);
    const [first] = left;
    const network = first === undefined ? undefined : await this.#networkOf(first, lane);
    if (first !== undefined && lane !== suspectLane && lane !== network) {
      this.#next.set(queue, first);
      return 'again';
    }
    const tried = new Map<string, Attempt>();
    for (const endpoint of left.slice(0, maxEndpoints)) {
      if (tried.size > 0 && (performance.now() > endsAt || names.networkOf(endpoint) !== network)) break;
      const outcome = await attemptForward(endpoint, recipient, mail, this.#parts, stopped);
      if (outcome === 'forwarded') return outcome;
      tried.set(endpoint, outcome);
    }
    const outcomes = this.#rounds.add(queue, mail.messageId, endpoints, tried);
    return stopped.aborted ? 'failed' : this.#outcomeOf(offered, outcomes);
  }

  /** Its first message is done with. */
  done(queue: Hex): void {
    this.#rounds.end(queue);
  }

  /** Nothing is left in it. */
  emptied(queue: Hex): void {
    this.#next.delete(queue);
    this.#rounds.end(queue);
  }

  #isTooOld(mail: Mail): boolean {
    return this.#ageOf(mail) > this.#parts.maxAgeMs;
  }

  #ageOf({ storedAt }: Mail): number {
    return this.#parts.clock() - storedAt;
  }

  #firstOf(queue: Hex): string | undefined {
    return this.#next.get(queue) ?? this.#likeliest(queue);
  }

  #likeliest(queue: Hex): string | undefined {
    const { health, room, router } = this.#parts;
    const recipient = room.recipientOf(queue);
    if (recipient === undefined) return undefined;
    try {
      const route = router(recipient);
      return route.kind === 'forward' ? health.ranked(route.endpoints, recipient)[0] : undefined;
    } catch (error) {
      // A recipient that is not known any more: its turn tells.
      if (!isRelayError(error)) throw error;
      return undefined;
    }
  }

  /** Those that it was not offered to, the likeliest first; before them what its turn is for. */
  #left({ queue, mail, recipient, endpoints }: Offered, next?: string): readonly string[] {
    const left = this.#rounds.left(queue, mail.messageId, this.#parts.health.ranked(endpoints, recipient));
    return next === undefined || !left.includes(next) ? left : [next, ...left.filter((endpoint) => endpoint !== next)];
  }

  /** Whatever was forgotten while it waited, a turn of the right lane is used; none asks for a name that may be of another. */
  async #networkOf(endpoint: string, lane: Lane): Promise<string | undefined> {
    const { names } = this.#parts;
    if (lane !== suspectLane && lane !== names.lastNetworkOf(endpoint)) return undefined;
    await names.learn(endpoint);
    return names.networkOf(endpoint);
  }

  /** `outcomes`: of all its endpoints, where none is left. */
  #outcomeOf(offered: Offered, outcomes: ReadonlySet<Attempt> | undefined): Outcome {
    if (outcomes === undefined) {
      const [first] = this.#left(offered);
      if (first !== undefined) this.#next.set(offered.queue, first);
      return 'again';
    }
    if (outcomes.size === 0 || outcomes.has('failed') || outcomes.has('later')) return 'failed';
    if (outcomes.has('circled')) return this.#ageOf(offered.mail) < circlingMs ? 'failed' : 'circled';
    return 'refused';
  }

  /** undefined: it is ours by now and was put into its mailbox. Empty: the chain names none at the moment. */
  async #endpointsOf(recipient: Hex, mail: Mail): Promise<readonly string[] | undefined> {
    const { router, mailStore } = this.#parts;
    try {
      const route = router(recipient);
      if (route.kind === 'forward') return route.endpoints;
    } catch (error) {
      if (!isRelayError(error)) throw error;
      return [];
    }
    // The mailbox may have the message already, from its sender.
    const { signedEnvelope, sentAt } = queuedMessage(mail.bytes);
    await mailStore.append(recipient, mail.messageId, signedEnvelope, undefined, sentAt);
    return undefined;
  }
}
