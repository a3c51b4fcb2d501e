import { readFileSync } from 'node:fs';
import { parse } from 'smol-toml';
import { RelayError } from '../errors/index.ts';
import { misfit, type SettingSchema } from './check-setting.ts';
import { convertSetting } from './convert-setting.ts';
import { flagOf, settingsSchema, variableOf, type SettingName, type Settings } from './settings.ts';

const defaultFile = 'khala-relay.toml';
const shownLength = 80;
const names = Object.keys(settingsSchema.properties) as SettingName[];
const lists: ReadonlySet<string> = new Set(names.filter((name) => 'items' in settingsSchema.properties[name]));

export interface SettingSources {
  /** As commander parsed them; what is no setting is passed over. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path given by --config. Default: khala-relay.toml, if there is one. */
  readonly config?: string | undefined;
}

/** Flags over environment over file over defaults. Throws bad-setting, bad-config-file. */
export function resolveSettings({ flags, env, config }: SettingSources): Settings {
  const merged: Record<string, unknown> = { ...readConfig(config), ...fromEnvironment(env), ...onlySettings(flags) };
  const settings = Object.fromEntries(names.flatMap((name) => settingOf(name, merged[name])));
  for (const [name, value] of Object.entries(settings)) {
    const schema = settingsSchema.properties[name as SettingName];
    const reason = misfit(schema, value);
    if (reason !== undefined)
      throw new RelayError('bad-setting', {
        details: { name, reason: `it is ${shown(value)}, but ${reason}${unitOf(schema)}` },
      });
  }
  return settings as unknown as Settings;
}

function settingOf(name: SettingName, given: unknown): readonly (readonly [SettingName, unknown])[] {
  const schema = settingsSchema.properties[name];
  if (given !== undefined) return [[name, convertSetting('type' in schema ? schema.type : undefined, given)]];
  return 'default' in schema ? [[name, schema.default]] : [];
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, shownLength);
}

/** Of a number: what its description says. */
function unitOf(schema: SettingSchema & { readonly description?: string }): string {
  const isNumber = schema.type === 'number' || schema.type === 'integer';
  return isNumber && schema.description !== undefined ? ` (${schema.description})` : '';
}

/** The value of a setting that has no default. Throws missing-setting. */
export function required(settings: Settings, name: 'vault' | 'data'): string {
  const value = settings[name];
  if (value === undefined)
    throw new RelayError('missing-setting', { details: { name, flag: flagOf(name), variable: variableOf(name) } });
  return value;
}

function onlySettings(flags: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]));
}

function fromEnvironment(env: SettingSources['env']): Record<string, unknown> {
  const set = names.flatMap((name) => {
    const value = env[variableOf(name)];
    return value === undefined ? [] : [[name, lists.has(name) ? value.split(',') : value] as const];
  });
  return Object.fromEntries(set);
}

function readConfig(given: string | undefined): Record<string, unknown> {
  const path = given ?? defaultFile;
  try {
    const source = readFileSync(path, 'utf8');
    const parsed: unknown = path.endsWith('.json') ? JSON.parse(source) : parse(source);
    const file = Object(parsed) as Record<string, unknown>;
    const unknown = Object.keys(file).find((name) => !names.includes(name as SettingName));
    if (unknown === undefined) return file;
    throw new RelayError('bad-config-file', { details: { path, reason: `there is no setting ${unknown}` } });
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    if (given === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw new RelayError('bad-config-file', { details: { path, reason }, cause });
  }
}
