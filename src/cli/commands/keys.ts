import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { toHex, type Hex } from '../../codec/index.ts';
import { ready, type KeyPair } from '../../crypto/index.ts';
import { RelayError } from '../../errors/index.ts';
import {
  agentSocket,
  backupVault,
  createVault,
  identityFromJson,
  identityFromSecret,
  isKeyFile,
  resealVault,
  type EcdhPublic,
  type Vault,
} from '../../vault/index.ts';
import { action, command, type Context } from '../command.ts';
import type { Output } from '../output.ts';
import { required } from '../resolve-settings.ts';
import { ask, confirm, importPassword, newPassphrase, nextPassphrase, passphrase } from '../secrets.ts';
import type { Settings } from '../settings.ts';
import { unlockVault } from '../unlock-vault.ts';

const stdin = 0;
const msPerDay = 86_400_000;

export function keysCommand(description: string): Command {
  return new Command('keys')
    .description(description)
    .addCommand(command('new', 'make a vault with random keys', ['vault']).action(action(0, create)))
    .addCommand(command('show', 'all keys of a vault with their states', ['vault']).action(action(0, show)))
    .addCommand(command('rotate', 'make the next EcdhKey, without publishing it', ['vault']).action(action(0, rotate)))
    .addCommand(
      command('import', 'make a vault for an IdentityKey from a prompt, standard input or a polkadot-js export', [
        'vault',
      ])
        .option(
          '--key-file <file>',
          'JSON that polkadot-js exported; its password by KHALA_RELAY_IMPORT_PASSWORD or a prompt',
        )
        .action(action(0, importIdentity)),
    )
    .addCommand(
      command('export-public', 'identity and current EcdhKey, to hand to others', ['vault']).action(
        action(0, exportPublic),
      ),
    )
    .addCommand(
      command('change-passphrase', 'seal a vault under another passphrase (KHALA_RELAY_NEW_PASSPHRASE or a prompt)', [
        'vault',
      ]).action(action(0, changePassphrase)),
    )
    .addCommand(
      command('backup', 'copy a vault, sealed as it is', ['vault'])
        .argument('<file>', 'where the copy goes; never overwritten')
        .option('--yes', 'do not ask')
        .action(action<{ yes?: true }, [string]>(1, backup)),
    )
    .addHelpText('after', '\nThe passphrase comes by KHALA_RELAY_PASSPHRASE or a prompt.');
}

async function create({ settings, output }: Context<object>): Promise<void> {
  const path = vaultFile(settings, 'keys new');
  await using vault = await createVault({ path, passphrase: await newPassphrase() });
  await printKeys(vault, output, 'Made a vault.');
}

async function show({ settings, output }: Context<object>): Promise<void> {
  await using vault = await unlockVault(settings);
  await printKeys(vault, output);
}

async function rotate({ settings, output }: Context<object>): Promise<void> {
  await using vault = await unlockVault(settings);
  await vault.rotate();
  await printKeys(vault, output, 'Made the next EcdhKey; khala-relay rotate publishes it.');
}

async function importIdentity({ settings, flags, output }: Context<{ keyFile?: string }>): Promise<void> {
  await ready();
  const path = vaultFile(settings, 'keys import');
  const identity = await readIdentity(flags.keyFile);
  await using vault = await createVault({ path, passphrase: await newPassphrase(), identity });
  await printKeys(vault, output, 'Imported the IdentityKey.');
}

async function readIdentity(keyFile: string | undefined): Promise<KeyPair> {
  if (keyFile !== undefined) return identityFromJson(readText(keyFile), await importPassword());
  const secret = process.stdin.isTTY ? await ask('Mnemonic, seed or secret key: ') : readText(stdin);
  return isKeyFile(secret) ? identityFromJson(secret, await importPassword()) : identityFromSecret(secret);
}

async function exportPublic({ settings, output }: Context<object>): Promise<void> {
  await using vault = await unlockVault(settings);
  const current = (await vault.ecdhKeys()).find(({ state }) => state === 'current');
  if (current === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any current epoch' } });
  const event = { identity: vault.identity, epoch: current.epoch, ecdh: toHex(current.publicKey) };
  output.print(event, JSON.stringify(event, undefined, 2));
}

async function changePassphrase({ settings, output }: Context<object>): Promise<void> {
  const path = vaultFile(settings, 'keys change-passphrase');
  const old = await passphrase(`Passphrase of ${path}: `);
  await resealVault({ path, passphrase: old, next: { passphrase: await nextPassphrase() } });
  output.print({ vault: path, changed: true }, 'The vault and its .bak open with the new passphrase only.');
}

async function backup({ settings, flags, output }: Context<{ yes?: true }>, to: string): Promise<void> {
  const path = vaultFile(settings, 'keys backup');
  if (flags.yes !== true)
    await confirm(`The copy has all secrets of ${path}; its passphrase is their only protection. Copy it? (yes) `);
  await backupVault({ path, passphrase: await passphrase(`Passphrase of ${path}: `), to });
  output.print({ vault: path, backup: to }, `Copied to ${to}. After restoring it, rotate: docs/vault.md.`);
}

/** Throws needs-vault-file for a vault that is an agent. */
function vaultFile(settings: Settings, name: string): string {
  const path = required(settings, 'vault');
  if (agentSocket(path) !== undefined) throw new RelayError('needs-vault-file', { details: { command: name } });
  return path;
}

function readText(file: string | number): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RelayError('bad-setting', { details: { name: 'key-file', reason }, cause });
  }
}

async function printKeys(vault: Vault, output: Output, said?: string): Promise<void> {
  const keys = await vault.ecdhKeys();
  const current = keys.find(({ state }) => state === 'current');
  const event = {
    identity: vault.identity,
    ecdh: current === undefined ? undefined : toHex(current.publicKey),
    epoch: current?.epoch,
    epochs: keys.map(keyJson),
  };
  if (said !== undefined) output.say(said);
  const lines = keys.map((key) => `  epoch ${key.epoch}  ${toHex(key.publicKey)}  ${stateText(key)}`);
  output.print(event, [`IdentityKey  ${vault.identity}`, 'EcdhKeys', ...lines].join('\n'));
}

function stateText({ state, createdAt, retiredAt }: EcdhPublic): string {
  const days = (since: number): string => `${Math.max(0, Math.floor((Date.now() - since) / msPerDay))} d`;
  return retiredAt === undefined ? `${state}, made ${days(createdAt)} ago` : `${state} for ${days(retiredAt)}`;
}

interface KeyJson {
  readonly epoch: number;
  readonly ecdh: Hex;
  readonly state: EcdhPublic['state'];
  readonly createdAt: string;
  readonly retiredAt?: string;
  readonly seals: number;
}

function keyJson({ epoch, publicKey, state, createdAt, retiredAt, seals }: EcdhPublic): KeyJson {
  return {
    epoch,
    ecdh: toHex(publicKey),
    state,
    createdAt: new Date(createdAt).toISOString(),
    ...(retiredAt === undefined ? {} : { retiredAt: new Date(retiredAt).toISOString() }),
    seals,
  };
}
