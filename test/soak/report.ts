import type { SoakResult } from './soak.ts';

const mostLines = 40;

/** What a run injected and what came of it, for people. */
export function report(result: SoakResult, seed: number): string[] {
  const { injected, rounds, blocks, queued, delivered, missedByGap, dead, commands, restarts, excused, broken } =
    result;
  return [
    `seed ${seed}: ${rounds} round${rounds === 1 ? '' : 's'}, ${blocks} blocks; injected:`,
    ...[...injected]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, times]) => `  ${String(times).padStart(4)} × ${name}`),
    `${queued} messages queued, ${delivered} delivered, ${missedByGap} only in blocks that were forgotten while their recipient was kept away, ${dead} dead letters of others, ${commands} commands`,
    ...(excused.all.length === 0 ? ['Nothing was excused.'] : ['excused:']),
    ...excused.all.map(([excuse, times]) => `  ${String(times).padStart(4)} × ${excuse}`),
    `${restarts} times a process ended since the node was away for too long, and was started again`,
    broken.length === 0 ? 'Each once, in order per sender, none unknown.' : `${broken.length} promises broken:`,
    ...broken.slice(0, mostLines).map((line) => `  ${line}`),
    ...(broken.length > mostLines ? [`  … and ${broken.length - mostLines} more`] : []),
  ];
}
