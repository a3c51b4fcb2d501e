import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../support/import-graph.ts';

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => join(folder, file));

const ownReadmes = ['bench', 'runtime', 'sr25519', 'test/vectors'].map((folder) => join(folder, 'README.md'));
const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...ownReadmes, ...filesIn('docs', '.md')];
const headingsOf = (text: string): string[] => [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

describe('package: documents', () => {
  it('link only to files and headings that there are', () => {
    const links = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(([, path = '', anchor]) => ({
        file,
        target: path === '' ? file : join(dirname(file), path),
        anchor,
      })),
    );
    assert.ok(links.length > 50);
    const broken = links.filter(({ target, anchor }) => {
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !headingsOf(read(target)).some((heading) => anchorOf(heading) === anchor);
    });
    assert.deepEqual(broken, []);
  });

  it('name only documents that there are, in comments of the source too', () => {
    const sources = ['src', 'test', 'bench', 'scripts'].flatMap((folder) => filesIn(folder, '.ts'));
    const missing = [...documents, ...sources].flatMap((file) =>
      [...read(file).matchAll(/(?<![\w/.*-])(?:docs\/)?[\w-]+\.md\b/g)]
        .map(([name]) => name)
        .filter(
          (name) => ![name, join('docs', name), join(dirname(file), name)].some((at) => existsSync(join(root, at))),
        )
        .map((name) => `${file}: ${name}`),
    );
    assert.deepEqual(missing, []);
  });

  it('have each section of the protocol that is cited', () => {
    const sections = headingsOf(read('docs/protocol.md')).flatMap((heading) => /^\d+/.exec(heading) ?? []);
    const files = [...documents, ...filesIn('src', '.ts')];
    const cited = files.flatMap((file) =>
      [...read(file).matchAll(/protocol\.md §(\d+)/g)].map(([, section]) => section!),
    );
    assert.ok(cited.length > 50);
    assert.deepEqual(
      [...new Set(cited)].filter((section) => !sections.includes(section)),
      [],
    );
  });

  it('import only what the package exports', () => {
    const exported = {
      'khala-relay': namesFrom('src/index.ts'),
      'khala-relay/browser': namesFrom('src/web/browser.ts'),
    };
    const imports = documents.flatMap((file) =>
      [...read(file).matchAll(/^import \{([^}]*)\} from '(khala-relay(?:\/browser)?)';$/gm)].flatMap(
        ([, names = '', entry]) =>
          (names.match(/\w+/g) ?? [])
            .filter((name) => name !== 'type')
            .map((name) => ({ file, name, isThere: exported[entry as keyof typeof exported].has(name) })),
      ),
    );
    assert.ok(imports.length > 20);
    assert.deepEqual(
      imports.filter(({ isThere }) => !isThere),
      [],
    );
  });

  it('name every function of both entries, and which of them are in browsers', () => {
    const library = read('docs/library.md');
    const named = new Set([...library.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
    const inBrowsers = new Set([...library.matchAll(/\*\*`(\w+)`\*\*/g)].map(([, name]) => name!));
    const [node, browser] = [exportsOf('src/index.ts'), exportsOf('src/web/browser.ts')];
    assert.ok(node.length > 50 && browser.length > 30);
    assert.deepEqual(
      [...node, ...browser].filter((name) => !named.has(name)),
      [],
    );
    const alsoNamed = ['isRelayError', 'RelayError'];
    assert.deepEqual([...inBrowsers, ...alsoNamed].sort(), [...new Set(browser)].sort());
  });
});

/** Names of values and of types that an entry exports. */
function namesFrom(entry: string): ReadonlySet<string> {
  return new Set(
    [...read(entry).matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = '']) => names.match(/\w+/g) ?? []),
  );
}

/** Names of values, not of types, that an entry exports. */
function exportsOf(entry: string): string[] {
  return [...read(entry).matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, names = '']) => names.match(/\w+/g) ?? []);
}
