import type { FullVerdict } from './settle.ts';
import type { Evidence } from './verdict.ts';

/** Why a run says nothing, though no promise was broken in it: what was to happen did not. */
export function provesTooLittle(
  { senders, recipients, mayMiss = new Map() }: Pick<Evidence, 'senders' | 'recipients' | 'mayMiss'>,
  { queued, commands, missedByGap, excused }: Pick<FullVerdict, 'queued' | 'commands' | 'missedByGap' | 'excused'>,
  injected: ReadonlyMap<string, number>,
): string[] {
  const never = [...injected].filter(([, times]) => times === 0).map(([name]) => `never injected: ${name}`);
  const silent = senders.filter(({ entries }) => !entries.some(({ event }) => event === 'queued'));
  // By these it is known what a reorg took.
  const hasReorgs = [...injected.keys()].some((name) => name.startsWith('reorg'));
  const untold = senders.filter(({ entries }) => hasReorgs && !entries.some(({ event }) => event === 'in-block'));
  const deaf = recipients.filter(({ entries }) => !entries.some(({ event }) => event === 'delivered'));
  // What was forgotten while it was kept away it can not have read.
  const whole = recipients.flatMap(({ id, entries }) =>
    (mayMiss.get(id) ?? [])
      .filter(
        ({ first, last }) =>
          !entries.some((entry) => entry.event === 'gap' && entry.first <= last && entry.last >= first),
      )
      .map(
        ({ first, last }) => `${id} told of no gap, and blocks ${first} to ${last} were forgotten while it was away`,
      ),
  );
  return [
    ...never,
    ...silent.map(({ id }) => `${id} queued nothing`),
    ...untold.map(({ id }) => `${id} was told of no block`),
    ...deaf.map(({ id }) => `nothing was delivered to ${id}`),
    ...whole,
    ...(missedByGap * 2 > queued
      ? [`${missedByGap} of ${queued} messages are only in blocks that were forgotten`]
      : []),
    ...excused.broken(injected, queued + commands),
  ];
}
