use frame_support::{dispatch::DispatchClass, traits::Get};
use frame_system::Config;
use sp_keyring::Sr25519Keyring::Bob;
use sp_runtime::transaction_validity::InvalidTransaction;

use super::chain::*;
use crate::{
    limits::{BYTE_FEE, PHA},
    Runtime, RuntimeCall, TransactionPayment,
};

fn push_bytes(bytes: usize) -> RuntimeCall {
    let (destination, payload) = (b"topic".to_vec(), vec![0; bytes]);
    pallet_phala_mq::Call::push_message { destination, payload }.into()
}

#[test]
fn a_block_has_5_mib_and_2_s_of_which_three_quarters_are_for_ordinary_extrinsics() {
    let length = <Runtime as Config>::BlockLength::get();
    assert_eq!(*length.max.get(DispatchClass::Operational), 5 << 20);
    assert_eq!(*length.max.get(DispatchClass::Normal), (5 << 20) / 4 * 3);
    let weights = <Runtime as Config>::BlockWeights::get();
    assert_eq!(weights.max_block.ref_time(), 2_000_000_000_000);
    let normal = weights.get(DispatchClass::Normal).max_total.unwrap();
    assert_eq!(normal.ref_time(), 1_500_000_000_000);
}

#[test]
fn the_length_of_a_block_bounds_a_message() {
    on_chain(|| {
        let too_long = submit(Bob, push_bytes((5 << 20) / 4 * 3));
        assert_eq!(too_long, Err(InvalidTransaction::ExhaustsResources.into()));
        dispatch(Bob, push_bytes(3_800_000)).unwrap();
        let no_room = submit(Bob, push_bytes(1_000_000));
        assert_eq!(no_room, Err(InvalidTransaction::ExhaustsResources.into()));
    });
}

#[test]
fn fees_grow_with_bytes() {
    on_chain(|| {
        let fee = |length| TransactionPayment::length_to_fee(length);
        assert_eq!(fee(300), 300 * BYTE_FEE);
        assert_eq!(fee(100_000), PHA);
    });
}

#[test]
fn addresses_have_the_prefix_of_khala() {
    let prefix: u16 = <Runtime as Config>::SS58Prefix::get();
    assert_eq!(prefix, 30);
}
