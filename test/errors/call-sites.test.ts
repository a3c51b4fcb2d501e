import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { catalogue, type CatalogueEntry } from '../../src/errors/index.ts';

interface CallSite {
  readonly where: string;
  readonly code: string;
  /** Names of the details given; undefined where they are not written out at the call. */
  readonly details: readonly string[] | undefined;
}

const src = new URL('../../src/', import.meta.url);
const rows: Record<string, CatalogueEntry> = catalogue;

describe('errors: where they are made', () => {
  const sites = callSites();

  it('are found', () => {
    assert.ok(sites.length > 50, `${sites.length} found`);
  });

  it('give every detail that the texts of their code name', () => {
    const missing = sites.flatMap(({ where, code, details }) => {
      const { message, remedy } = rows[code] ?? { message: '{code}', remedy: '' };
      const names = [...`${message} ${remedy}`.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
      const lacking = names.filter((name) => details?.includes(name) === false);
      return lacking.length > 0 ? [`${where}: ${code} lacks ${lacking.join(', ')}`] : [];
    });
    assert.deepEqual(missing, []);
  });
});

/** `new RelayError('code', { details })` and `asRelayError(error, 'code', details)` all over src/. */
function callSites(): CallSite[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const found: CallSite[] = [];
      const source = ts.createSourceFile(file, readFileSync(new URL(file, src), 'utf8'), ts.ScriptTarget.Latest, true);
      const visit = (node: ts.Node): void => {
        const site = siteOf(node, source);
        if (site !== undefined) found.push(site);
        node.forEachChild(visit);
      };
      visit(source);
      return found;
    });
}

function siteOf(node: ts.Node, source: ts.SourceFile): CallSite | undefined {
  const made = ts.isNewExpression(node) && node.expression.getText() === 'RelayError';
  const wrapped = ts.isCallExpression(node) && node.expression.getText() === 'asRelayError';
  if (!made && !wrapped) return undefined;
  const [first, second, third] = node.arguments ?? [];
  const code = made ? first : second;
  if (code === undefined || !ts.isStringLiteral(code)) return undefined;
  const { line } = source.getLineAndCharacterOfPosition(node.getStart());
  const given = made ? namesIn(detailsOf(second)) : namesIn(third)?.concat('reason');
  return { where: `src/${source.fileName}:${line + 1}`, code: code.text, details: given };
}

function detailsOf(options: ts.Expression | undefined): ts.Expression | 'opaque' | undefined {
  if (options === undefined) return undefined;
  if (!ts.isObjectLiteralExpression(options)) return 'opaque';
  for (const property of options.properties)
    if (property.name?.getText() === 'details')
      return ts.isPropertyAssignment(property) ? property.initializer : 'opaque';
  return undefined;
}

function namesIn(details: ts.Expression | 'opaque' | undefined): string[] | undefined {
  if (details === undefined) return [];
  if (details === 'opaque' || !ts.isObjectLiteralExpression(details)) return undefined;
  if (details.properties.some((property) => ts.isSpreadAssignment(property))) return undefined;
  return details.properties.map((property) => property.name!.getText());
}
