/** All that `work` prints, by console or by the streams of the process. */
export function printedBy(work: () => void): string {
  let printed = '';
  const streams = [process.stdout, process.stderr];
  const restore = streams.map((stream) => {
    const write = stream.write.bind(stream);
    stream.write = (chunk: Uint8Array | string): boolean => {
      printed += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    };
    return () => {
      stream.write = write;
    };
  });
  // WASM glue calls console.*, which writes to the streams: but a reporter may have replaced console.
  const { error, log, warn } = console;
  const keep = (...parts: unknown[]): void => {
    printed += `${parts.map(String).join(' ')}\n`;
  };
  Object.assign(console, { error: keep, log: keep, warn: keep });
  try {
    work();
  } finally {
    for (const undo of restore) undo();
    Object.assign(console, { error, log, warn });
  }
  return printed;
}
