import { equalBytes } from '../../src/codec/index.ts';
import type { PostedMessage } from './truth.ts';

export type NamedMessage = Pick<PostedMessage, 'sender' | 'to' | 'nonce'>;

/** A message of another's that the run posted itself, or tried to. */
export type Copy = Pick<PostedMessage, 'sender' | 'to' | 'nonce' | 'payload'>;

/** What tells a message from all others, whatever key it is sealed to. */
export function nameOf({ sender, to, nonce }: NamedMessage): string {
  return `${sender} → ${to} ${nonce ?? 'without a nonce'}`;
}

/** By {@link nameOf}. */
export function byName<T extends NamedMessage>(messages: readonly T[]): Map<string, T[]> {
  const named = new Map<string, T[]>();
  for (const message of messages) {
    const name = nameOf(message);
    named.set(name, [...(named.get(name) ?? []), message]);
  }
  return named;
}

export function blockList(posted: readonly PostedMessage[]): string {
  return posted.map(({ block }) => block).join(', ');
}

/**
 * Whether a message is in blocks more often than its outbox and the run's own copies can have brought it. An account posts a copy as
 * often as it is asked to, and what its outbox seals again differs. The chain takes each signature of a worker once: only where other
 * software of the worker uses its sequences is a message signed anew while a copy of the old one may still come in, so that it is
 * there a second time, sealed again.
 */
export function isPostedTooOften(
  posted: readonly PostedMessage[],
  copies: readonly Copy[],
  isWorkerShared: boolean,
): boolean {
  const [first] = posted;
  if (first === undefined || posted.length === 1) return false;
  const isCopied = ({ payload }: PostedMessage): boolean => copies.some((copy) => equalBytes(copy.payload, payload));
  if (first.sender.startsWith('account '))
    return (
      !posted.every(({ payload }) => equalBytes(payload, first.payload)) ||
      posted.length > 1 + copies.filter((copy) => equalBytes(copy.payload, first.payload)).length
    );
  const isTwice = posted.some(({ payload }, i) =>
    posted.slice(i + 1).some((other) => equalBytes(other.payload, payload)),
  );
  return !isWorkerShared || isTwice || posted.filter((each) => !isCopied(each)).length > 1;
}
