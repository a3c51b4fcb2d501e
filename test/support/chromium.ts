import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { chromium as launcher, type Page } from 'playwright-core';

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** The page's origin. */
  readonly origin: string;
}

// Its own flags, which come with the binary, would turn the same-origin policy off.
const flags = ['--no-sandbox', '--no-zygote', '--disable-dev-shm-usage', '--disable-gpu'];

export interface PageOptions {
  /** Content-Security-Policy of the page. Default: none. */
  readonly policy?: string;
  /** Name that the page is loaded by; any but localhost is no secure context over http. Default 127.0.0.1. */
  readonly host?: string;
}

/** A page in a real Chromium with `entry` bundled for browsers as its only script. */
export async function openPage(entry: string, { policy, host = '127.0.0.1' }: PageOptions = {}): Promise<OpenPage> {
  const script = await bundle(entry);
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    if (policy !== undefined) response.setHeader('content-security-policy', policy);
    response.end(
      isScript ? script : '<!doctype html><title>page</title><script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://${host}:${(server.address() as AddressInfo).port}`;
  const args = [...flags, `--host-resolver-rules=MAP ${host} 127.0.0.1`];
  const browser = await launcher.launch({ executablePath: await chromium.executablePath(), args });
  const page = await browser.newPage();
  await page.goto(origin, { waitUntil: 'load' });
  return {
    page,
    origin,
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One minified ES module without anything of Node. */
export async function bundle(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`${entry} gave no bundle`);
  return file.contents;
}
