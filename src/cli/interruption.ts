/** Aborts on SIGINT or SIGTERM; a second signal ends the process at once. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  /** Resolves on the first signal. */
  readonly interrupted: Promise<void>;
}

const interruptedCode = 130;

/** While it lasts, signals end the command in order; SIGINT makes the exit code 130. */
export function onInterruption(): Interruption {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(interruptedCode);
    if (name === 'SIGINT') process.exitCode = interruptedCode;
    controller.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const interrupted = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => {
      resolve();
    });
  });
  return {
    signal: controller.signal,
    interrupted,
    [Symbol.dispose]: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

/** Calls `act` on each SIGHUP while it lasts; without it the signal ends the process. */
export function onHangup(act: () => void): Disposable {
  process.on('SIGHUP', act);
  return { [Symbol.dispose]: () => process.off('SIGHUP', act) };
}
