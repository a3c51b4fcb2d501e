import { loadNodeBackend } from '../../src/crypto/node-backend.ts';
import { portableBackend } from '../../src/crypto/portable-backend.ts';
import { describeBackend } from './backend.compliance.ts';

describeBackend('portable', async () => portableBackend, loadNodeBackend);
describeBackend('node', loadNodeBackend, async () => portableBackend);
