import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { buildProgram, commandNames } from '../../src/cli/program.ts';
import { root } from '../support/import-graph.ts';

const documents = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];

/** Words of each use of a command in blocks of code and in text, up to where another program begins. */
function* shownIn(file: string): Generator<readonly string[]> {
  const text = readFileSync(join(root, file), 'utf8').replaceAll('\\\n', ' ');
  for (const [, line = ''] of text.matchAll(/(?:^|[`(]|\| )khala-relay ([a-z][^`\n]*)/gm)) {
    const words = (line.split(/ #| [|>&]|;|\)/, 1)[0] ?? '').split(/\s+/).filter((word) => word !== '');
    // As the first words of the vault's file are not.
    if (commandNames.includes(words[0] ?? '')) yield words;
  }
}

async function commandOf(words: readonly string[]): Promise<Command> {
  let command = await buildProgram(words);
  for (const word of words) {
    const next = command.commands.find((child) => child.name() === word);
    if (next === undefined) break;
    command = next;
  }
  return command;
}

describe('documents', () => {
  it('show only commands and flags that there are', async () => {
    let [commands, flags] = [0, 0];
    const unknown: string[] = [];
    for (const file of documents)
      for (const words of shownIn(file)) {
        const command = await commandOf(words);
        commands += 1;
        if (command.commands.length > 0 && words.length > 1) unknown.push(`${file}: ${words.join(' ')}`);
        const known = new Set(['--help', ...command.options.flatMap(({ long }) => long ?? [])]);
        for (const [, flag = ''] of words.join(' ').matchAll(/(?:^| )(--[a-z][\w-]*)/g)) {
          flags += 1;
          if (!known.has(flag)) unknown.push(`${file}: ${command.name()} ${flag}`);
        }
      }
    assert.deepEqual(unknown, []);
    assert.ok(commands > 60 && flags > 80, `${commands} commands, ${flags} flags`);
  });
});
