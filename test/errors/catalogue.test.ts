import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { catalogue, isRelayError, RelayError, type CatalogueEntry, type ErrorCode } from '../../src/errors/index.ts';
import { errorDocs } from '../../scripts/lib/error-docs.ts';

const root = new URL('../../', import.meta.url);
const entries = Object.entries(catalogue as Record<string, CatalogueEntry>);
const codes = entries.map(([code]) => code as ErrorCode);
const placeholders = ({ message, remedy }: CatalogueEntry) =>
  [...`${message} ${remedy}`.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);

describe('errors: the catalogue', () => {
  it('names every failure in kebab-case', () => {
    for (const code of codes) assert.match(code, /^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it('says in sentences what happened and what to do', () => {
    for (const [code, { message, remedy }] of entries)
      for (const text of [message, remedy]) {
        assert.match(text, /^[A-Z"{].*[.`}]$/, `${code}: "${text}" is no sentence`);
        assert.ok(text.length <= 220, `${code}: "${text}" is too long for one line`);
      }
  });

  it('gives no code twice: a later file would silently replace the row of an earlier one', () => {
    const folder = new URL('src/errors/catalogue/', root);
    const all = readdirSync(folder).flatMap((file) =>
      [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^ {2}'?([a-z0-9-]+)'?: \{/gm)].map(([, code]) => code),
    );
    assert.deepEqual([...all].sort(), [...codes].sort());
  });

  it('has no code that nothing throws', () => {
    const source = sourceFiles().join('\n');
    const dead = codes.filter((code) => !source.includes(`'${code}'`));
    assert.deepEqual(dead, []);
  });

  it('is what docs/errors.md shows', async () => {
    const page = readFileSync(new URL('docs/errors.md', root), 'utf8');
    assert.ok(page === (await errorDocs()), 'docs/errors.md is stale: npm run generate:errors');
  });
});

describe('errors: RelayError', () => {
  it('fills every placeholder from the details', () => {
    for (const [code, entry] of entries) {
      const details = Object.fromEntries(placeholders(entry).map((name) => [name, `<${name}>`]));
      const error = new RelayError(code as ErrorCode, { details });
      assert.doesNotMatch(error.message + error.remedy, /[{}]/);
      for (const name of placeholders(entry)) assert.ok((error.message + error.remedy).includes(`<${name}>`));
    }
  });

  it('never leaves a placeholder in a text, even if a detail is missing', () => {
    for (const code of codes) {
      const error = new RelayError(code);
      assert.doesNotMatch(error.message + error.remedy, /[{}]|undefined/);
    }
  });

  it('ends a sentence once where a detail is one', () => {
    const { message } = new RelayError('still-queued', { details: { count: 1, reason: 'The chain is away.' } });
    assert.equal(message, 'Not sent yet, and kept in the queue (1): The chain is away.');
  });

  it('does not fill placeholders that come in with a detail', () => {
    const error = new RelayError('bad-id', { details: { value: '{what} {value}' } });
    assert.ok(error.message.includes('"{what} {value}"'));
  });

  it('is told apart by its code', () => {
    const error = new RelayError('bad-hex', { cause: 'why' });
    assert.deepEqual([isRelayError(error), isRelayError(error, 'bad-hex')], [true, true]);
    assert.equal(isRelayError(error, 'bad-id'), false);
    assert.equal(isRelayError(new Error('bad-hex')), false);
    assert.deepEqual([error.name, error.cause], ['RelayError', 'why']);
  });

  it('takes only facts that are safe to print as details: no bytes', () => {
    const bytes = new Uint8Array(32);
    // @ts-expect-error: a key could hide in bytes
    const error = new RelayError('bad-hex', { details: { what: bytes } });
    assert.ok(error instanceof RelayError);
  });
});

function sourceFiles(folder = new URL('src/', root)): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'catalogue') return [];
    const path = new URL(entry.isDirectory() ? `${entry.name}/` : entry.name, folder);
    return entry.isDirectory() ? sourceFiles(path) : [readFileSync(path, 'utf8')];
  });
}
