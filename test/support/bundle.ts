import { mkdir, rename } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const folderOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const sources = folderOf('src');
const built = folderOf('dist');
// Where what it imports of packages is found.
const programs = folderOf('node_modules/.cache/test-programs');
const bundles = new Map<string, Promise<string>>();

/** A program of a test as one plain file over the built library, which is what users run: it starts in half the time. */
export function bundled(program: URL): Promise<string> {
  const made = bundles.get(program.href) ?? bundle(fileURLToPath(program));
  bundles.set(program.href, made);
  return made;
}

async function bundle(entry: string): Promise<string> {
  await mkdir(programs, { recursive: true });
  const outfile = join(programs, relative(folderOf('test'), entry).replaceAll(sep, '-').replace(/\.ts$/, '.mjs'));
  // Another process may start the same program meanwhile.
  const unfinished = `${outfile}.${process.pid}`;
  await build({
    entryPoints: [entry],
    outfile: unfinished,
    bundle: true,
    packages: 'external',
    target: 'node20',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'built-library',
        setup: ({ onResolve }) => {
          onResolve({ filter: /\.ts$/ }, ({ path, resolveDir }) => {
            const file = relative(sources, join(resolveDir, path));
            if (file.startsWith('..')) return undefined;
            return { path: pathToFileURL(join(built, file.replace(/\.ts$/, '.js'))).href, external: true };
          });
        },
      },
    ],
  });
  await rename(unfinished, outfile);
  return outfile;
}
