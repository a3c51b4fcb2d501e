import { readSync } from 'node:fs';
import { read } from 'read';
import { RelayError } from '../errors/index.ts';

const devAccount = /^\/\/(Alice|Bob|Charlie|Dave|Eve|Ferdie)(\/\/stash)?$/;

export interface SuriFlags {
  readonly suri?: string;
  readonly suriFd?: string;
}

/** The passphrase of a vault: KHALA_RELAY_PASSPHRASE, else asked at the terminal. Throws no-passphrase. */
export async function passphrase(prompt = 'Passphrase of the vault: '): Promise<string> {
  return process.env['KHALA_RELAY_PASSPHRASE'] ?? ask(prompt);
}

/** A new passphrase, asked twice where it is typed. Throws no-passphrase, bad-setting. */
export async function newPassphrase(): Promise<string> {
  return process.env['KHALA_RELAY_PASSPHRASE'] ?? askTwice();
}

/** The passphrase that replaces another: KHALA_RELAY_NEW_PASSPHRASE, else asked twice. Throws no-passphrase, bad-setting. */
export async function nextPassphrase(): Promise<string> {
  return process.env['KHALA_RELAY_NEW_PASSPHRASE'] ?? askTwice();
}

/** The password of an exported key: KHALA_RELAY_IMPORT_PASSWORD, else asked; none where nobody can be asked. */
export async function importPassword(): Promise<string> {
  const given = process.env['KHALA_RELAY_IMPORT_PASSWORD'];
  if (given !== undefined) return given;
  return process.stdin.isTTY ? ask('Password of the exported key (none: Enter): ') : '';
}

/** Goes on only after "yes". Throws not-confirmed. */
export async function confirm(question: string): Promise<void> {
  const answer = process.stdin.isTTY ? await read({ prompt: question, output: process.stderr }) : '';
  if (answer.trim().toLowerCase() !== 'yes') throw new RelayError('not-confirmed');
}

async function askTwice(): Promise<string> {
  const typed = await ask('New passphrase: ');
  if ((await ask('Again: ')) !== typed)
    throw new RelayError('bad-setting', { details: { name: 'passphrase', reason: 'the two entries differ' } });
  return typed;
}

/**
 * Secret URI of the paying account: --suri for a development account, --suri-fd, KHALA_RELAY_SURI. undefined where none
 * is given. Throws secret-by-flag.
 */
export function suri({ suri: flag, suriFd }: SuriFlags): string | undefined {
  if (flag !== undefined) {
    if (!devAccount.test(flag)) throw new RelayError('secret-by-flag');
    return flag;
  }
  if (suriFd !== undefined) return readDescriptor(suriFd);
  return process.env['KHALA_RELAY_SURI'];
}

/** Asks for a secret without echo. */
export async function ask(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) throw new RelayError('no-passphrase');
  return read({ prompt, silent: true, output: process.stderr });
}

function readDescriptor(text: string): string {
  const refused = (reason: string, cause?: unknown): RelayError =>
    new RelayError('bad-setting', { details: { name: 'suri-fd', reason }, cause });
  if (!/^[0-9]{1,9}$/.test(text)) throw refused(`"${text}" is no number of a file descriptor`);
  const chunk = Buffer.alloc(4096);
  try {
    const length = readSync(Number(text), chunk);
    return chunk.toString('utf8', 0, length).trim();
  } catch (cause) {
    const { code = String(cause) } = cause as NodeJS.ErrnoException;
    throw refused(`file descriptor ${text} is not open for reading (${code})`, cause);
  } finally {
    chunk.fill(0);
  }
}
