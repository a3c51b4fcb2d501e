// npm run build: src/ to dist/, unless dist/ is what src/ gives.
import { prepare } from './lib/prepare.mjs';
import { main } from './lib/run.mjs';

await main(async () => {
  await prepare();
  return 0;
});
