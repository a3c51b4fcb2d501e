import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RelayError } from '../../errors/index.ts';
import { agentSocket, harden, openVault, serveVault, type Protections } from '../../vault/index.ts';
import { action, command, type Context } from '../command.ts';
import { required } from '../resolve-settings.ts';
import { passphrase } from '../secrets.ts';
import { defaultDataFolder } from '../session.ts';

interface Flags {
  readonly socket: string;
  readonly allow?: string[];
  readonly rate?: string;
  readonly idleLock?: string;
}

const msPerMinute = 60_000;

export function agentCommand(description: string): Command {
  return command('agent', description, ['vault', 'data'])
    .requiredOption('--socket <path>', 'socket to make, in a folder that only you can enter')
    .option('--allow <operation>', 'operation to allow, again for more (default: all): docs/agent.md', collect)
    .option('--rate <n>', 'requests a second, of all clients together (default: no limit)')
    .option('--idle-lock <minutes>', 'end after so long without a request (default: never)')
    .action(action(0, agent));
}

async function agent({ settings, flags, output, interrupted }: Context<Flags>): Promise<void> {
  // Before any secret is there.
  const protections = await harden();
  const path = required(settings, 'vault');
  if (agentSocket(path) !== undefined) throw new RelayError('needs-vault-file', { details: { command: 'agent' } });
  const policy = {
    ...(flags.allow === undefined ? {} : { allow: flags.allow }),
    ...(flags.rate === undefined ? {} : { rate: positive('rate', flags.rate) }),
    ...(flags.idleLock === undefined ? {} : { idleLockMs: positive('idle-lock', flags.idleLock) * msPerMinute }),
  };
  await using vault = await openVault({ path, passphrase: await passphrase(`Passphrase of ${path}: `) });
  const dataPath = resolve(settings.data ?? defaultDataFolder(path));
  await using served = await serveVault({ vault, socket: flags.socket, dataPath, policy });
  const event = { event: 'ready', identity: vault.identity, socket: served.socket, protections };
  output.print(
    event,
    [`Holding ${vault.identity}: --vault agent:${served.socket}`, ...sentences(protections)].join('\n'),
  );
  const why = await Promise.race([interrupted, served.stopped]);
  if (why === 'idle')
    output.print({ event: 'locked' }, 'Nobody asked for a while: the vault is locked and the agent ends.');
}

function sentences({ coreDumpsOff, memoryLocked, peersChecked }: Protections): string[] {
  const said = (what: string, state: true | string): string =>
    state === true ? `  ${what}` : `  NOT ${what}: ${state}`;
  return [
    said('protected from core dumps and debuggers', coreDumpsOff),
    said('kept out of swap', memoryLocked),
    said('checking the user of each client', peersChecked),
  ];
}

function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new RelayError('bad-setting', { details: { name, reason: `"${text}" is no number above 0` } });
}
