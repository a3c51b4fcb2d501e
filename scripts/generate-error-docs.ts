// Writes docs/errors.md from the catalogue. `--check` only says whether it is up to date.
import { readFileSync, writeFileSync } from 'node:fs';
import { errorDocs } from './lib/error-docs.ts';

const page = new URL('../docs/errors.md', import.meta.url);
const text = await errorDocs();
if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/errors.md differs from src/errors/catalogue: run npm run generate:errors');
  process.exitCode = 1;
}
