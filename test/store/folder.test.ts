import assert from 'node:assert/strict';
import { access, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileInPlaceOf, makeFolder } from '../../src/store/index.ts';
import { useTempDir } from '../support/temp-dir.ts';

describe('folders', () => {
  const path = useTempDir();

  it('are made with all that is missing above them, for their owner alone where that is asked', async () => {
    const [above, folder] = [path('above'), path('above/in/it')];
    await makeFolder(folder, 0o700);
    for (const made of [above, folder]) assert.equal((await stat(made)).mode & 0o777, 0o700);
  });

  it('that are there stay as they are, behind a link too', async () => {
    const [folder, link] = [path('old'), path('link')];
    await mkdir(folder, { mode: 0o750 });
    await writeFile(join(folder, 'kept'), '');
    await symlink(folder, link);
    for (const given of [folder, link, `${folder}/`, '/']) await makeFolder(given, 0o700);
    assert.equal((await stat(folder)).mode & 0o777, 0o750);
    assert.deepEqual(await readdir(folder), ['kept']);
  });

  it('may be made by several at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => makeFolder(path(`deep/er/and/deep/er/${i % 3}`))));
    assert.deepEqual((await readdir(path('deep/er/and/deep/er'))).sort(), ['0', '1', '2']);
  });

  it('are not made in a folder that takes none, which is said at once', async function () {
    if (process.platform !== 'linux') this.skip();
    for (const folder of ['/proc/nope', '/proc/nope/deeper'])
      await assert.rejects(makeFolder(folder), { code: 'ENOENT', path: '/proc/nope' });
  });

  it('are not made where a file is, which is named wherever it stands above them', async () => {
    const file = path('file');
    await writeFile(file, 'kept');
    for (const folder of [file, join(file, 'in'), join(file, 'in/it')]) {
      await assert.rejects(makeFolder(folder), (error: NodeJS.ErrnoException) =>
        ['EEXIST', 'ENOTDIR'].includes(String(error.code)),
      );
      assert.equal(await fileInPlaceOf(folder), file);
    }
    assert.equal(await fileInPlaceOf(path('nothing/here')), undefined);
    await assert.rejects(access(path('nothing')));
  });
});
