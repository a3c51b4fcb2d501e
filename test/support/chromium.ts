import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { chromium as launcher, type BrowserContext, type Page } from 'playwright-core';

// Its own flags, which come with the binary, would turn the same-origin policy off.
const flags = ['--no-sandbox', '--no-zygote', '--disable-dev-shm-usage', '--disable-gpu'];

export interface PageOptions {
  /** Content-Security-Policy of the page. Default: none. */
  readonly policy?: string;
  /** Name that the page is loaded by; any but localhost is no secure context over http. Default 127.0.0.1. */
  readonly host?: string;
}

export interface ServedPage extends AsyncDisposable {
  readonly origin: string;
}

/** A page with `entry` bundled for browsers as its only script, on an origin of its own. */
export async function servePage(entry: string, { policy, host = '127.0.0.1' }: PageOptions = {}): Promise<ServedPage> {
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
  return {
    origin: `http://${host}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** The page's origin. */
  readonly origin: string;
}

/** A page in a real Chromium with `entry` bundled for browsers as its only script. */
export async function openPage(entry: string, options: PageOptions = {}): Promise<OpenPage> {
  const served = await servePage(entry, options);
  const { origin } = served;
  const args = [...flags, `--host-resolver-rules=MAP ${new URL(origin).hostname} 127.0.0.1`];
  const browser = await launcher.launch({ executablePath: await chromium.executablePath(), args });
  const page = await loadedTab(await browser.newContext(), origin);
  return {
    page,
    origin,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await served[Symbol.asyncDispose]();
    },
  };
}

/** A Chromium with a profile on the disk, which outlives it. */
export interface ProfileBrowser extends AsyncDisposable {
  tab(origin: string): Promise<Page>;
  /** kill -9 of the browser; resolves when it is gone. */
  kill(): Promise<void>;
}

export async function openProfile(folder: string): Promise<ProfileBrowser> {
  const executablePath = await chromium.executablePath();
  const context = await launcher.launchPersistentContext(folder, { executablePath, args: flags });
  const browser = context.browser();
  if (browser === null) throw new Error('no browser');
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const { id } = processInfo.find(({ type }) => type === 'browser') ?? {};
  if (id === undefined) throw new Error('no browser process');
  const gone = new Promise<void>((resolve) => {
    browser.on('disconnected', () => {
      resolve();
    });
  });
  return {
    tab: (origin) => loadedTab(context, origin),
    async kill() {
      process.kill(id, 'SIGKILL');
      await gone;
    },
    async [Symbol.asyncDispose]() {
      await context.close().catch(() => undefined); // killed
    },
  };
}

/** Another tab of a page, of the same profile. */
export function anotherTab(page: Page): Promise<Page> {
  return loadedTab(page.context(), page.url());
}

async function loadedTab(context: BrowserContext, origin: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(origin, { waitUntil: 'load' });
  return page;
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
