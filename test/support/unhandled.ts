import { config } from 'rxjs';

/** What observers and subscribers throw while something is done: without this it would be an uncaught error. */
export async function unhandled(work: () => Promise<void>): Promise<unknown[]> {
  const reported: unknown[] = [];
  const before = config.onUnhandledError;
  config.onUnhandledError = (error) => reported.push(error);
  try {
    await work();
    // They are reported in a turn of their own.
    await new Promise((resolve) => setTimeout(resolve));
    return reported;
  } finally {
    config.onUnhandledError = before;
  }
}
