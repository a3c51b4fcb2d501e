import { settingsSchema, variableOf, type SettingName } from './settings.ts';

const prefix = 'KHALA_RELAY_';
const known: readonly string[] = [
  ...(Object.keys(settingsSchema.properties) as SettingName[]).map(variableOf),
  ...['PASSPHRASE', 'NEW_PASSPHRASE', 'IMPORT_PASSWORD', 'SURI', 'DEBUG'].map((name) => `${prefix}${name}`),
];
// Of what is run beside the command line where it is developed.
const ofDevelopment =
  /^(NODE|NATS_SERVER|NGINX|CADDY|SEED|RUNS|CHANNELS|MODEL_RUNS|TRUTH_STEPS|TRUTH_SEED|BUILT_THREADS)$/;
// What Kubernetes gives every container for a service whose name begins as ours do.
const ofService = /(^|_)(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_\w+)$/;

/** What to say of each variable that looks as if it were ours and is not. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.includes(name))
    .filter((name) => [ofDevelopment, ofService].every((others) => !others.test(name.slice(prefix.length))))
    .map((name) => `there is no variable ${name}, and it changes nothing; the nearest is ${nearest(name)}`);
}

function nearest(name: string): string {
  const [found = ''] = [...known].sort((a, b) => editDistance(name, a) - editDistance(name, b));
  return found;
}

/** Characters to put in, leave out or replace, at least, to turn one text into the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries())
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    row = next;
  }
  return row.at(-1) ?? 0;
}
