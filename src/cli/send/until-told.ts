import type { RelayError } from '../../errors/index.ts';
import type { Context } from '../command.ts';
import { AwaitedWords, type Asked, type Word } from './awaited-words.ts';

/**
 * Prints which messages were delivered, or read, until all were. Throws what {@link AwaitedWords.until} throws. Of those
 * that no word will come of `onUntold` is told, after the others: why of the first, and how many they are; by default it throws
 * that, which is what `Receipt.delivered` or `Receipt.read` throws.
 */
export async function untilTold(
  word: Word,
  all: readonly Asked[],
  context: Context<object>,
  onUntold: (first: RelayError, count: number) => void = throwFirst,
): Promise<void> {
  using awaited = new AwaitedWords(word, context);
  for (const asked of all) awaited.add(asked);
  await awaited.until(0);
  const { untold } = awaited;
  if (untold !== undefined) onUntold(untold.error, untold.count);
}

function throwFirst(first: RelayError): never {
  throw first;
}
