import { concatBytes } from '../../codec/bytes.ts';
import type { Hex } from '../../codec/hex.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import type { DevNode } from '../node.ts';
import type { Methods } from './method.ts';
import type { Params } from './params.ts';

const dispatchClasses = ['normal', 'operational', 'mandatory'] as const;

/** Both calls take an extrinsic and its length in bytes. */
async function query(node: DevNode, params: Params, method: string, type: string): Promise<unknown> {
  const block = params.block(1, node);
  const extrinsic = hexToBytes(params.hex(0, 'the extrinsic'));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(extrinsic.length);
  const argument: Hex = bytesToHex(concatBytes(extrinsic, length));
  const { result } = await node.runtimes.call(`TransactionPaymentApi_${method}`, [argument], params.state(1, node));
  return block.runtime.registry.createType(type, hexToBytes(result)).toJSON();
}

const paymentMethods: Methods = {
  payment_queryInfo: async (node, params) => {
    const info = (await query(node, params, 'query_info', '(WeightV2, u8, u128)')) as [
      { readonly refTime: number; readonly proofSize: number },
      number,
      string | number,
    ];
    const [weight, dispatchClass, partialFee] = info;
    return {
      weight: { ref_time: weight.refTime, proof_size: weight.proofSize },
      class: dispatchClasses[dispatchClass],
      partialFee: BigInt(partialFee).toString(),
    };
  },
  payment_queryFeeDetails: async (node, params) => {
    const details = (await query(node, params, 'query_fee_details', 'Option<(u128, u128, u128)>')) as
      readonly [string | number, string | number, string | number] | null;
    if (details === null) return { inclusionFee: null };
    const [baseFee, lenFee, adjustedWeightFee] = details.map((fee) => `0x${BigInt(fee).toString(16)}`);
    return { inclusionFee: { baseFee, lenFee, adjustedWeightFee } };
  },
};

export { paymentMethods };
