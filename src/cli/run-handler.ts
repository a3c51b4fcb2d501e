import { execFile } from 'node:child_process';
import { toHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/index.ts';

const maxAnswerBytes = 240 * 1024;
// A handler has no business with them.
const secretVariables = [
  ...['KHALA_RELAY_PASSPHRASE', 'KHALA_RELAY_NEW_PASSPHRASE', 'KHALA_RELAY_IMPORT_PASSWORD', 'KHALA_RELAY_SURI'],
];

/**
 * Runs a program for an invocation: JSON of it on standard input, what it prints is the answer. No shell, no arguments: nothing
 * of what a stranger sent becomes a command. Throws handler-failed.
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
  const options = { env, signal, timeout: timeoutMs, maxBuffer: maxAnswerBytes, encoding: 'buffer' } as const;
  // One that takes no notice of a request to end would keep its place.
  const killSignal = 'SIGKILL';
  return new Promise((resolve, reject) => {
    const child = execFile(program, [], { ...options, killSignal }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new RelayError('handler-failed', { details: { messageId, reason: error.message }, cause: error }));
    });
    // It may end without having read all.
    child.stdin?.on('error', () => undefined);
    child.stderr?.pipe(process.stderr, { end: false });
    child.stdin?.end(`${JSON.stringify(call)}\n`);
  });
}
