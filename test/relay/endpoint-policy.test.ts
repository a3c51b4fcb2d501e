import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { afterEach, describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { checkAddress, checkEndpoint } from '../../src/relay/endpoint-policy.ts';
import { ipClass } from '../../src/relay/ip-class.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { createOwnAddresses } from '../../src/relay/own-addresses.ts';
import type { ResolveAll } from '../../src/relay/resolve-name.ts';
import { Cleanup } from './support.ts';

const isRefusal = (error: unknown): boolean => isRelayError(error, 'endpoint-refused');

const publicOnes = [
  'http://example.com',
  'https://relay.example.com:8443/khala',
  'ws://8.8.8.8',
  'wss://[2606:4700::1111]:444/',
  'http://1.1.1.1.',
  'https://xn--bcher-kva.example/',
  'http://[64:ff9b::808:808]/',
  'http://[2002:808:808::1]/',
  'http://[::ffff:8.8.8.8]/',
];

const privateOnes = [
  'http://127.0.0.1:8710',
  'http://127.1/',
  'http://127.0.1/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://017700000001/',
  'http://0177.0.0.1/',
  'http://127.0.0.1./',
  'http://127。0。0。1/',
  'http://①②⑦.0.0.1/',
  'http://localhost',
  'http://LOCALHOST./',
  'http://a.b.localhost:80/',
  'http://printer.local/',
  'http://vault.internal/',
  'http://router.lan/',
  'http://10.0.0.1',
  'http://10.255.255.255',
  'http://172.16.0.1',
  'http://172.31.255.255',
  'http://192.168.1.1',
  'http://100.64.0.1',
  'http://100.127.255.255',
  'http://169.254.1.1',
  'http://198.18.0.1',
  'http://[::1]',
  'http://[0:0:0:0:0:0:0:1]:80',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[::ffff:10.0.0.1]/',
  'http://[::ffff:0:10.0.0.1]/',
  'http://[64:ff9b::a00:1]/',
  'http://[64:ff9b:1::1]/',
  'http://[2002:7f00:1::]/',
  'http://[2002:c0a8:101::1]/',
  'http://[fc00::1]/',
  'http://[fdff:ffff::1]/',
  'http://[fe80::1]/',
  'http://[febf::1]/',
  'http://[fec0::1]/',
];

const neverOnes = [
  'http://0.0.0.0:8710',
  'http://0/',
  'http://0.1.2.3',
  'http://169.254.169.254/latest/meta-data',
  'http://[::ffff:169.254.169.254]/',
  'http://[64:ff9b::a9fe:a9fe]/',
  'http://2852039166/',
  'http://100.100.100.200/',
  'http://[fd00:ec2::254]/',
  'http://[fd00:ec2::23]/',
  'http://[fd20:ce::254]/',
  'http://169.254.170.2/v2/credentials',
  'http://169.254.170.23/',
  'http://168.63.129.16/',
  'http://2822734096/',
  'http://192.0.0.192/',
  'http://192.0.2.1',
  'http://198.51.100.1',
  'http://203.0.113.1',
  'http://192.88.99.1',
  'http://224.0.0.1',
  'http://239.255.255.255',
  'http://240.0.0.1',
  'http://255.255.255.255',
  'http://[::]/',
  'http://[::7f00:1]/',
  'http://[::127.0.0.1]/',
  'http://[ff02::1]/',
  'http://[2001:db8::1]/',
  'http://[2001::1]/',
  'http://[3fff::1]/',
  'http://[100::1]/',
  'http://[4000::1]/',
];

const malformed = [
  '',
  'example.com',
  '//example.com',
  'http://',
  'http:///',
  'http://./',
  'ftp://example.com',
  'file:///etc/passwd',
  'gopher://example.com',
  'unix:/run/x.sock',
  'javascript:alert(1)',
  'data:text/plain,x',
  'http+unix://%2frun%2fx/',
  'http://user@example.com',
  'http://user:pass@example.com',
  'http://example.com@127.0.0.1/',
  'http://example.com:0',
  'http://example.com:99999',
  'http://exa mple.com',
  'http://example.com/?url=1',
  'http://example.com/#x',
  'http://exam\nple.com',
  '\thttp://example.com',
  'http:\\\\example.com',
  'http://256.256.256.256',
  'http://1.2.3.4.5',
  'http://[::1',
  'http://[::ffff:999.0.0.1]/',
  `http://${'a'.repeat(3000)}.com`,
];

describe('endpoint policy', () => {
  for (const endpoint of publicOnes)
    it(`follows ${endpoint}`, () => {
      checkEndpoint(endpoint);
    });

  for (const endpoint of privateOnes)
    it(`follows ${endpoint} only where private addresses are allowed`, () => {
      assert.throws(() => checkEndpoint(endpoint), isRefusal);
      checkEndpoint(endpoint, { allowPrivate: true });
    });

  for (const endpoint of [...neverOnes, ...malformed])
    it(`never follows ${JSON.stringify(endpoint).slice(0, 60)}`, () => {
      assert.throws(() => checkEndpoint(endpoint), isRefusal);
      assert.throws(() => checkEndpoint(endpoint, { allowPrivate: true }), isRefusal);
    });

  const own = ['198.41.0.4', '2606:4700:0:0::1111', 'fe80::1%eth0'];
  for (const endpoint of [
    'http://198.41.0.4:9000',
    'http://3324575748/',
    'http://0xc6.41.0.4/',
    'http://[::ffff:198.41.0.4]/',
    'http://[64:ff9b::c629:4]/',
    'http://[2002:c629:4::1]/',
    'http://[2606:4700::1111]:9000',
    'http://[2606:4700:0000::0:1111]/',
  ])
    it(`follows ${endpoint}, of an interface of this machine, only where private addresses are allowed`, () => {
      const interfaces = () => ({ eth0: own.map((address) => ({ address })) });
      const isOwnAddress = createOwnAddresses({ interfaces });
      checkEndpoint(endpoint);
      assert.throws(() => checkEndpoint(endpoint, { isOwnAddress }), isRefusal);
      checkEndpoint(endpoint, { isOwnAddress, allowPrivate: true });
      checkEndpoint('http://198.41.0.5', { isOwnAddress });
      checkEndpoint('http://[2606:4700::1112]', { isOwnAddress });
    });

  it('knows the addresses of this machine, and those that it gets later', () => {
    const isOwn = createOwnAddresses();
    for (const { address } of Object.values(networkInterfaces()).flatMap((of) => of ?? []))
      assert.ok(isOwn(address), address);
    const addresses = ['198.41.0.4'];
    let now = 0;
    const isOwnLater = createOwnAddresses({
      interfaces: () => ({ eth0: addresses.map((address) => ({ address })) }),
      now: () => now,
    });
    assert.equal(isOwnLater('198.41.0.5'), false);
    addresses.push('198.41.0.5');
    now += 10_000;
    assert.equal(isOwnLater('198.41.0.5'), true);
  });

  it('knows those that it knew, or none, where the system does not tell: that fails nothing', () => {
    let tells = false;
    let now = 0;
    const isOwn = createOwnAddresses({
      interfaces: () => {
        // As libuv does where it is not allowed.
        if (!tells)
          throw Object.assign(new Error('uv_interface_addresses returned EACCES'), { code: 'ERR_SYSTEM_ERROR' });
        return { eth0: [{ address: '198.41.0.4' }] };
      },
      now: () => now,
    });
    assert.equal(isOwn('198.41.0.4'), false);
    tells = true;
    now += 10_000;
    assert.equal(isOwn('198.41.0.4'), true);
    tells = false;
    now += 10_000;
    assert.equal(isOwn('198.41.0.4'), true);
  });

  it('knows every IPv4 address in each form in which IPv6 may carry it', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), (bytes) => {
        const v4 = bytes.join('.');
        const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
        const groups = `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
        for (const v6 of [`::ffff:${v4}`, `::ffff:${groups}`, `64:ff9b::${groups}`, `2002:${groups}::1`])
          assert.equal(ipClass(v6), ipClass(v4), v6);
      }),
    );
  });

  it('never throws anything else, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.ipV6().map((ip) => `http://[${ip}]`),
        ),
        (endpoint) => {
          try {
            checkEndpoint(endpoint);
          } catch (error) {
            assert.ok(isRefusal(error));
          }
        },
      ),
    );
  });

  it('does not take for an address what is none', () => {
    for (const text of ['', '1', '1.2.3', 'x', ':', ':::', '1::2::3', '12345::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9'])
      assert.equal(ipClass(text), undefined, text);
    assert.throws(() => {
      checkAddress('what', 'http://example.com');
    }, isRefusal);
  });
});

const ignore = (): void => undefined;

describe('endpoint policy: dialling', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const listen = async (status: number, headers: Record<string, string> = {}, body = 'x') => {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url ?? '');
      response.writeHead(status, headers).end(body);
    });
    cleanup.add(server, () => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    let connections = 0;
    server.on('connection', () => connections++);
    return { port: (server.address() as AddressInfo).port, requests, connections: () => connections };
  };
  const resolver = (...addresses: string[]): ResolveAll & { calls: number } => {
    const resolve: ResolveAll & { calls: number } = (_, callback) => {
      resolve.calls += 1;
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    };
    resolve.calls = 0;
    return resolve;
  };
  const transport = (options: Parameters<typeof createNodeTransport>[0]) =>
    cleanup.add(createNodeTransport(options), (made) => made.close());
  const post = (made: ReturnType<typeof transport>, url: string) =>
    made.post(url, Uint8Array.of(1), AbortSignal.timeout(5_000));

  it('refuses a name that resolves to a private address, by HTTP and by WebSocket', async () => {
    const { port, requests } = await listen(200);
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:127.0.0.1'], ['169.254.169.254']]) {
      const made = transport({ resolve: resolver(...addresses) });
      await assert.rejects(post(made, `http://rebind.example:${port}/`), isRefusal);
      const reason = await new Promise<string>((closed) => {
        made.connect(`ws://rebind.example:${port}/`, { opened: () => undefined, message: () => undefined, closed });
      });
      assert.match(reason, /not followed/);
    }
    assert.deepEqual(requests, []);
  });

  it('refuses a name that resolves to an address of this machine', async () => {
    const { port, connections } = await listen(200);
    const isOwnAddress = (address: string): boolean => address === '198.41.0.4';
    for (const addresses of [['198.41.0.4'], ['8.8.8.8', '198.41.0.4']]) {
      const made = transport({ resolve: resolver(...addresses), isOwnAddress });
      await assert.rejects(post(made, `http://rebind.example:${port}/`), isRefusal);
    }
    assert.equal(connections(), 0);
  });

  it('resolves a name once for a connection, and dials what was checked', async () => {
    const { port, requests, connections } = await listen(200);
    const resolve = resolver('127.0.0.1');
    const made = transport({ allowPrivate: true, resolve });
    await post(made, `http://relay.example:${port}/a`);
    await post(made, `http://relay.example:${port}/b`);
    assert.deepEqual(requests, ['/a', '/b']);
    assert.equal(resolve.calls, connections());
  });

  it('fails, and nothing else, for a name that does not resolve, by HTTP and by WebSocket', async () => {
    const made = transport({});
    await assert.rejects(post(made, 'http://nope.invalid/'), { code: 'endpoint-failed' });
    const reason = await new Promise<string>((closed) => {
      made.connect('ws://nope.invalid/', { opened: ignore, message: ignore, closed });
    });
    assert.match(reason, /nope\.invalid/);
  });

  it('follows no redirect', async () => {
    const target = await listen(200);
    for (const answered of [301, 302, 303, 307, 308]) {
      const { port } = await listen(answered, { location: `http://127.0.0.1:${target.port}/secret` });
      const { status } = await post(transport({ allowPrivate: true }), `http://127.0.0.1:${port}/`);
      assert.equal(status, answered);
    }
    assert.deepEqual(target.requests, []);
  });

  it('follows no redirect of a WebSocket', async () => {
    const target = await listen(200);
    for (const status of [301, 302, 307, 308]) {
      const { port, requests } = await listen(status, { location: `ws://127.0.0.1:${target.port}/secret` });
      const made = transport({ allowPrivate: true });
      const reason = await new Promise<string>((closed) => {
        made.connect(`ws://127.0.0.1:${port}/v1/ws`, { opened: ignore, message: ignore, closed });
      });
      assert.match(reason, new RegExp(String(status)));
      assert.deepEqual(requests, ['/v1/ws']);
    }
    assert.deepEqual(target.requests, []);
  });

  it('checks a name anew for each connection: one that was followed may lead elsewhere the next time', async () => {
    const { port, requests } = await listen(200, { connection: 'close' });
    const answers = ['127.0.0.1', '169.254.169.254', '::ffff:169.254.169.254', '0.0.0.0'];
    let asked = 0;
    const made = transport({
      allowPrivate: true,
      resolve: (_, callback) => {
        const address = answers[asked++] ?? '';
        callback(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
      },
    });
    const url = `http://rebind.example:${port}/`;
    assert.equal((await post(made, url)).status, 200);
    for (let n = 1; n < answers.length; n++) await assert.rejects(post(made, url), isRefusal);
    assert.deepEqual([asked, requests], [answers.length, ['/']]);
  });

  it('reads no longer answer than it must', async () => {
    const { port } = await listen(200, {}, 'x'.repeat(5000));
    await assert.rejects(post(transport({ allowPrivate: true, maxAnswerBytes: 1000 }), `http://127.0.0.1:${port}/`), {
      code: 'endpoint-failed',
    });
  });

  it('refuses literal addresses without dialling', async () => {
    const { port, requests } = await listen(200);
    const made = transport({});
    await assert.rejects(post(made, `http://127.0.0.1:${port}/`), isRefusal);
    assert.throws(
      () => made.connect(`ws://[::ffff:127.0.0.1]:${port}`, { opened: ignore, message: ignore, closed: ignore }),
      isRefusal,
    );
    assert.deepEqual(requests, []);
  });
});
