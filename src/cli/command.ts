import { Command, Option } from 'commander';
import { isRelayError } from '../errors/index.ts';
import { onInterruption, type Interruption } from './interruption.ts';
import { createOutput, type Output } from './output.ts';
import { reportError } from './report-error.ts';
import { resolveSettings } from './resolve-settings.ts';
import { flagOf, settingsSchema, type SettingName, type Settings } from './settings.ts';
import { unknownVariables } from './unknown-variables.ts';
import { warn } from './warn.ts';

/** What an action gets beside its arguments. */
export interface Context<Flags> {
  readonly settings: Settings;
  readonly flags: Flags;
  readonly output: Output;
  /** Aborts on SIGINT and SIGTERM, and when standard output is read no more. */
  readonly signal: AbortSignal;
  readonly interrupted: Promise<void>;
}

/** A command with `--json`, `--config` and the flags of the settings that it reads. */
export function command(name: string, description: string, settings: readonly SettingName[]): Command {
  const made = new Command(name)
    .description(description)
    .option('--json', 'print one JSON object a line')
    .option('--config <file>', 'TOML or JSON file of settings (default: khala-relay.toml if there is one)');
  for (const setting of settings) {
    made.addOption(settingOption(setting));
    if (isThreeWay(setting)) made.addOption(new Option(`--no-${flagOf(setting)}`));
  }
  return made;
}

/** `--suri` and `--suri-fd`, the paying account. */
export function withAccount(made: Command): Command {
  return made
    .option('--suri <suri>', 'development account that pays, as //Alice; others by KHALA_RELAY_SURI')
    .option('--suri-fd <n>', 'file descriptor to read the secret URI of the paying account from');
}

/** Wraps an action: resolves settings, watches signals, reports what it throws. `positional` is how many arguments the command declares. */
export function action<Flags extends object, Args extends readonly unknown[] = []>(
  positional: Args['length'],
  run: (context: Context<Flags>, ...args: Args) => Promise<void>,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const flags = args[positional] as Flags & { json?: true; config?: string };
    const output = createOutput(flags.json === true);
    using interruption = onInterruption();
    try {
      for (const note of unknownVariables(process.env)) warn(`note: ${note}`);
      const settings = resolveSettings({ flags: { ...flags }, env: process.env, config: flags.config });
      const { signal, interrupted } = interruption;
      const given = args.slice(0, positional) as unknown as Args;
      await run({ settings, flags, output, signal, interrupted }, ...given);
    } catch (error) {
      const code = exitCodeOf(error, output, interruption);
      process.exitCode ??= code;
    }
  };
}

/** Of what was interrupted nothing is told but what it left undone, where it says so. */
function exitCodeOf(error: unknown, output: Output, { exitCode }: Interruption): number {
  if (exitCode !== undefined && isRelayError(error, 'aborted')) return exitCode;
  const code = reportError(error, output);
  const saysWhatIsLeft = isRelayError(error, 'interrupted') || isRelayError(error, 'posting-interrupted');
  return exitCode !== undefined && saysWhatIsLeft ? exitCode : code;
}

/** Neither yes nor no by default. */
function isThreeWay(name: SettingName): boolean {
  const schema = settingsSchema.properties[name] as { readonly type?: string; readonly default?: unknown };
  return schema.type === 'boolean' && schema.default === undefined;
}

function settingOption(name: SettingName): Option {
  const schema = settingsSchema.properties[name] as {
    type?: string;
    title?: string;
    description?: string;
    default?: unknown;
    enum?: readonly string[];
  };
  const choices = schema.enum === undefined ? '' : ` (${schema.enum.join(', ')})`;
  const fallback =
    schema.default === undefined || schema.type === 'boolean' ? '' : ` (default: ${JSON.stringify(schema.default)})`;
  const description = `${schema.description ?? ''}${choices}${fallback}`;
  if (schema.type === 'boolean') return new Option(`--${flagOf(name)}`, description);
  const option = new Option(`--${flagOf(name)} <${schema.title ?? 'value'}>`, description);
  if (schema.type !== 'array') return option;
  return option.argParser((value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]);
}
