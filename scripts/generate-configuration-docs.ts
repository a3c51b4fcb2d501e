// Writes docs/configuration.md from the schema of the settings. `--check` only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { flagOf, settingsSchema, variableOf, type SettingName } from '../src/cli/settings.ts';

import { limitsSchema, type LimitName, type Rate } from '../src/relay/index.ts';

const page = new URL('../docs/configuration.md', import.meta.url);
const names = Object.keys(settingsSchema.properties) as SettingName[];

const head = `# Configuration

Flags win over the environment, the environment over \`khala-relay.toml\` in the working folder (or the TOML or JSON file that
\`--config\` names), that over the defaults. In a file the names are those of the first column. Lists are repeated flags, arrays
in a file, and separated by commas in the environment.

Secrets are never flags and never stand in a file: the passphrase of a vault is \`KHALA_RELAY_PASSPHRASE\` or a prompt, the secret
URI of the paying account \`KHALA_RELAY_SURI\`, \`--suri-fd N\`, or, for the well-known development accounts only, \`--suri //Alice\`.
\`KHALA_RELAY_DEBUG=1\` prints the stack of an error. Another variable whose name begins so is reported on stderr, and changes nothing.

| setting | flag | environment | what it is | default |
| --- | --- | --- | --- | --- |
`;

function row(name: SettingName): string {
  const {
    description = '',
    default: fallback,
    enum: choices,
  } = settingsSchema.properties[name] as {
    description?: string;
    default?: unknown;
    enum?: readonly string[];
  };
  const what = choices === undefined ? description : `${description}: ${choices.join(', ')}`;
  const shown = fallback === undefined ? '–' : `\`${JSON.stringify(fallback)}\``;
  return `| ${name} | \`--${flagOf(name)}\` | \`${variableOf(name)}\` | ${what} | ${shown} |\n`;
}

const limitsHead = `
## Limits of a relay

\`--limit maxConnections=500\`, repeated; in the file \`limit = ["maxConnections=500"]\`. A rate is \`PER_SECOND/BURST\`, as
\`perIdentity=50/500\`. As a library: \`createRelay({ limits })\`.

| limit | what it is | default |
| --- | --- | --- |
`;

function limitRow(name: LimitName): string {
  const { description, default: fallback } = limitsSchema.properties[name] as {
    description?: string;
    default?: number | Rate;
  };
  const shown = typeof fallback === 'object' ? `${fallback.perSecond}/${fallback.burst}` : fallback;
  return `| ${name} | ${description ?? ''} | \`${shown}\` |\n`;
}

const limits = (Object.keys(limitsSchema.properties) as LimitName[]).map(limitRow);
const text = head + names.map(row).join('') + limitsHead + limits.join('');
if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/configuration.md differs from src/cli/settings.ts: run npm run generate:configuration');
  process.exitCode = 1;
}
