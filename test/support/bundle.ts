import { basename, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const folderOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const sources = folderOf('src');
const built = folderOf('dist');

/** A program of a test as one plain file over the built library, which is what users run: it starts in half the time. */
export async function bundled(program: URL, folder: string): Promise<string> {
  const entry = fileURLToPath(program);
  const outfile = join(folder, basename(entry).replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
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
  return outfile;
}
