import { from, lastValueFrom, mergeMap, takeUntil, takeWhile, type Observable } from 'rxjs';

/**
 * Prints events in their order, `atOnce` of them at a time, until `print` gives false or `until` resolves. What is begun then is over
 * when this resolves: its line may be on its way to a slow reader, and is acknowledged when it was taken.
 */
export async function printEach<Event>(
  events$: Observable<Event>,
  { until, atOnce }: { readonly until: Promise<void>; readonly atOnce: number },
  print: (event: Event) => Promise<boolean>,
): Promise<void> {
  const begun = new Set<Promise<boolean>>();
  const printed = events$.pipe(
    mergeMap((event) => {
      const printing = print(event).finally(() => begun.delete(printing));
      begun.add(printing);
      return printing;
    }, atOnce),
    takeWhile((goesOn) => goesOn),
    takeUntil(from(until)),
  );
  await lastValueFrom(printed, { defaultValue: true });
  await Promise.all(begun);
}
