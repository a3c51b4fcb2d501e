/** Results in the order of `items`, at most `width` under way at once; what comes is handed on as soon as it is its turn. */
export async function* inWindow<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  read: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  for await (const item of items) {
    const result = read(item);
    // Where the consumer leaves early nobody awaits the rest.
    result.catch(() => undefined);
    underWay.push(result);
    if (underWay.length >= width) yield (await underWay.shift()) as R;
  }
  while (underWay.length > 0) yield (await underWay.shift()) as R;
}
