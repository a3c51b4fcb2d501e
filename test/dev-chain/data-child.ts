/** Builds blocks, a fork now and then, prints where it stands each time, and where it goes next, until it is killed. */
import { startDevChain } from '../../src/dev-chain/index.ts';

const chain = await startDevChain({ data: process.argv[2] ?? '', finalityLag: 4 });
const print = (to?: string): void => {
  console.log(JSON.stringify({ head: chain.head, finalized: chain.finalized, to }));
};
for (;;) {
  const { number, hash } = chain.head;
  for (let built = 0; built < 3; built += 1) {
    await chain.newBlock();
    print();
  }
  if (number % 2 === 0) continue;
  print(hash);
  await chain.reorg(hash);
  print();
}
