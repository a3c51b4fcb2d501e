import { readdirSync } from 'node:fs';
import type { CatalogueEntry } from '../../src/errors/index.ts';

const folder = new URL('../../src/errors/catalogue/', import.meta.url);

const intro = `# Errors

Every failure that leaves khala-relay is a \`RelayError\` with one of these codes. A code never changes its meaning; texts
may. \`details\` holds the facts that stand in braces below, as strings and numbers: never plaintext, keys or passphrases.
The CLI prints the message and the remedy on stderr, with \`--json\` all of it on stdout too (\`{"event":"error",…}\`), and exits
with 2 where the caller's own arguments are at fault (marked *usage*), with 1 otherwise.

\`\`\`ts
import { isRelayError } from 'khala-relay';

try {
  await outbox.send(…);
} catch (error) {
  if (isRelayError(error, 'message-too-large')) …
}
\`\`\`
`;

/** docs/errors.md: one table for each file of the catalogue. */
export async function errorDocs(): Promise<string> {
  const files = readdirSync(folder)
    .filter((file) => file !== 'entry.ts')
    .sort();
  const sections = await Promise.all(files.map(section));
  return intro + sections.join('') + '\n<!-- Generated from src/errors/catalogue: npm run generate:errors. -->\n';
}

async function section(file: string): Promise<string> {
  const exported = (await import(new URL(file, folder).href)) as Record<string, Record<string, CatalogueEntry>>;
  const rows = Object.values(exported).flatMap((entries) => Object.entries(entries));
  if (rows.length === 0) return '';
  const title = file.replace('.ts', '');
  return `\n## ${title}\n\n| code | what happened | what to do |\n| --- | --- | --- |\n${rows.map(row).join('')}`;
}

function row([code, { message, remedy, usage }]: [string, CatalogueEntry]): string {
  return `| \`${code}\`${usage ? ' *usage*' : ''} | ${cell(message)} | ${cell(remedy)} |\n`;
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replace(/\{\w+\}/g, '`$&`')
    .replace(/<(\w+)>/g, '&lt;$1&gt;');
}
