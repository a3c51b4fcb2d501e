import type { Evidence, Verdict } from './verdict.ts';

/** Why a run says nothing, though no promise was broken in it: what was to happen did not. */
export function provesTooLittle(
  { senders, recipients }: Pick<Evidence, 'senders' | 'recipients'>,
  { queued, missedByGap }: Pick<Verdict, 'queued' | 'missedByGap'>,
  injected: ReadonlyMap<string, number>,
): string[] {
  const never = [...injected].filter(([, times]) => times === 0).map(([name]) => `never injected: ${name}`);
  const silent = senders.filter(({ entries }) => !entries.some(({ event }) => event === 'queued'));
  // By these it is known what a reorg took.
  const hasReorgs = [...injected.keys()].some((name) => name.startsWith('reorg'));
  const untold = senders.filter(({ entries }) => hasReorgs && !entries.some(({ event }) => event === 'in-block'));
  const deaf = recipients.filter(({ entries }) => !entries.some(({ event }) => event === 'delivered'));
  return [
    ...never,
    ...silent.map(({ id }) => `${id} queued nothing`),
    ...untold.map(({ id }) => `${id} was told of no block`),
    ...deaf.map(({ id }) => `nothing was delivered to ${id}`),
    ...(missedByGap * 2 > queued
      ? [`${missedByGap} of ${queued} messages are only in blocks that were forgotten`]
      : []),
  ];
}
