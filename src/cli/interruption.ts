import { RelayError } from '../errors/index.ts';

/**
 * Aborts on SIGINT or SIGTERM, and when whoever reads standard output is gone; a second signal ends the process at once. The same
 * one again within a second is the first, passed on: what is sent to a group of processes npm, timeout(1) and other parents give
 * to their child once more.
 */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** Resolves on the first signal. */
  readonly interrupted: Promise<void>;
  /** Exit code of a command that it left something undone of: 128 and the number of the signal. undefined: it did not come. */
  readonly exitCode: number | undefined;
}

const exitCodes = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;
const passedOnMs = 1_000;

/**
 * While it lasts, and after a signal until the process ends, signals end the command in order; SIGINT makes the exit code 130, a
 * reader that is gone 141. `now`: ms, of a clock that only goes on.
 */
export function onInterruption(now: () => number = () => performance.now()): Interruption {
  const controller = new AbortController();
  let first: { readonly name: 'SIGINT' | 'SIGTERM'; readonly at: number } | undefined;
  let exitCode: number | undefined;
  const interrupt = (name: keyof typeof exitCodes): void => {
    exitCode ??= exitCodes[name];
    if (name !== 'SIGTERM') process.exitCode ??= exitCodes[name];
    controller.abort(new RelayError('aborted'));
  };
  const onSignal = (name: 'SIGINT' | 'SIGTERM'): void => {
    if (first !== undefined) {
      if (name === first.name && now() - first.at < passedOnMs) return;
      process.exit(exitCodes[first.name]);
    }
    first = { name, at: now() };
    interrupt(name);
  };
  // As SIGPIPE, which Node ignores, ends other programs.
  const onWriteError = ({ code }: NodeJS.ErrnoException): void => {
    if (code === 'EPIPE') interrupt('SIGPIPE');
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stdout.on('error', onWriteError);
  const interrupted = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => {
      resolve();
    });
  });
  return {
    signal: controller.signal,
    interrupted,
    get exitCode() {
      return exitCode;
    },
    [Symbol.dispose]: () => {
      process.stdout.off('error', onWriteError);
      // The one that is passed on may come when the command is done and the process is not. Node takes handlers off before it is
      // gone where it ends by itself, and keeps them where it is told to exit.
      if (first !== undefined) process.once('beforeExit', () => process.exit());
      else process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

/** Calls `act` on each SIGHUP while it lasts; without it the signal ends the process. */
export function onHangup(act: () => void): Disposable {
  process.on('SIGHUP', act);
  return { [Symbol.dispose]: () => process.off('SIGHUP', act) };
}
