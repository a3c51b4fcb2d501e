import { execFile, type ChildProcess } from 'node:child_process';
import { onAbort } from '../signals/index.ts';
import { toHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/index.ts';

const maxAnswerBytes = 240 * 1024;
// A handler has no business with them.
const secretVariables = [
  ...['KHALA_RELAY_PASSPHRASE', 'KHALA_RELAY_NEW_PASSPHRASE', 'KHALA_RELAY_IMPORT_PASSWORD', 'KHALA_RELAY_SURI'],
];

const graceMs = 2_000;
const wasStopped = 'it was stopped';

/**
 * Runs a program for an invocation: JSON of it on standard input, what it prints is the answer. No shell, no arguments: nothing
 * of what a stranger sent becomes a command. When its time is over, or the signal fires, it gets SIGTERM, and what is left of it
 * after 2 s SIGKILL; the promise settles when it is gone. Throws handler-failed.
 */
export function runHandler(
  program: string,
  delivery: Delivery,
  signal: AbortSignal,
  timeoutMs = 60_000,
): Promise<Uint8Array> {
  const { body, messageId, from, fromKind, registered, via } = delivery;
  if (body.kind !== 'invocation') return Promise.resolve(new Uint8Array());
  const call = { from, fromKind, registered, to: body.to, input: toHex(body.input), messageId, via };
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !secretVariables.includes(name)));
  // The signal is for one that prints too much.
  const options = { env, maxBuffer: maxAnswerBytes, encoding: 'buffer', killSignal: 'SIGKILL' } as const;
  const failure = (reason: string, cause?: Error) =>
    new RelayError('handler-failed', { details: { messageId, reason }, cause });
  if (signal.aborted) return Promise.reject(failure(wasStopped));
  return new Promise((resolve, reject) => {
    const child = execFile(program, [], options, (error, stdout) => {
      const whyEnded = letGo();
      if (whyEnded !== undefined) reject(failure(whyEnded));
      else if (error !== null) reject(failure(error.message, error));
      else resolve(stdout);
    });
    const letGo = endInTime(child, signal, timeoutMs);
    // It may end without having read all.
    child.stdin?.on('error', () => undefined);
    child.stderr?.pipe(process.stderr, { end: false });
    child.stdin?.end(`${JSON.stringify(call)}\n`);
  });
}

/** The result is for a program that is gone: it gives why it was to end, or undefined. */
function endInTime(child: ChildProcess, signal: AbortSignal, timeoutMs: number): () => string | undefined {
  let whyEnded: string | undefined;
  let grace: ReturnType<typeof setTimeout> | undefined;
  const end = (why: string): void => {
    if (whyEnded !== undefined) return;
    whyEnded = why;
    child.kill('SIGTERM');
    grace = setTimeout(() => {
      child.kill('SIGKILL');
      // What it started may hold them open.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, graceMs);
  };
  const timer = setTimeout(() => {
    end(`it did not end within ${timeoutMs} ms`);
  }, timeoutMs);
  const off = onAbort(signal, () => {
    end(wasStopped);
  });
  return () => {
    clearTimeout(timer);
    clearTimeout(grace);
    off();
    return whyEnded;
  };
}
