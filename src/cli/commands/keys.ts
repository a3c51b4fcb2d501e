import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { toHex } from '../../codec/index.ts';
import { createVault, identityFromSecret, type EcdhPublic, type Vault } from '../../vault/index.ts';
import { ready } from '../../crypto/index.ts';
import { action, command, type Context } from '../command.ts';
import type { Output } from '../output.ts';
import { required } from '../resolve-settings.ts';
import { ask, newPassphrase } from '../secrets.ts';
import {} from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

const stdin = 0;

export function keysCommand(): Command {
  return new Command('keys')
    .description('make, show and rotate the keys of a vault')
    .addCommand(command('new', 'make a vault with random keys', ['vault']).action(action(0, create)))
    .addCommand(command('show', 'public keys of a vault', ['vault']).action(action(0, show)))
    .addCommand(command('rotate', 'make the next EcdhKey, without publishing it', ['vault']).action(action(0, rotate)))
    .addCommand(
      command('import', 'make a vault for an IdentityKey from a prompt or standard input', ['vault']).action(
        action(0, importIdentity),
      ),
    )
    .addCommand(command('export-public', 'public keys of a vault, for others', ['vault']).action(action(0, show)));
}

async function create({ settings, output }: Context<object>): Promise<void> {
  await using vault = await createVault({ path: required(settings, 'vault'), passphrase: await newPassphrase() });
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

async function importIdentity({ settings, output }: Context<object>): Promise<void> {
  await ready();
  const secret = process.stdin.isTTY ? await ask('Mnemonic, seed or secret key: ') : readFileSync(stdin, 'utf8');
  const identity = identityFromSecret(secret);
  const path = required(settings, 'vault');
  await using vault = await createVault({ path, passphrase: await newPassphrase(), identity });
  await printKeys(vault, output, 'Imported the IdentityKey.');
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
  const lines = keys.map((key) => `  epoch ${key.epoch} (${key.state})  ${toHex(key.publicKey)}`);
  output.print(event, [`IdentityKey  ${vault.identity}`, 'EcdhKeys', ...lines].join('\n'));
}

function keyJson({ epoch, publicKey, state, createdAt }: EcdhPublic): Record<string, unknown> {
  return { epoch, ecdh: toHex(publicKey), state, createdAt: new Date(createdAt).toISOString() };
}
