const quietTurns = 4;

/** Resolves when nothing that lives in memory alone has anything left to do: for turns of the event loop, `steps` stood still. */
export async function idle(steps: () => number): Promise<void> {
  let seen = steps();
  for (let quiet = 0; quiet < quietTurns; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (steps() === seen) continue;
    seen = steps();
    quiet = -1;
  }
}
