use codec::Encode;
use frame_support::dispatch::GetDispatchInfo;
use pallet_phala_registry::{Endpoints, VersionedWorkerEndpoints, WorkerEndpointPayload, Workers};
use sp_core::Pair;
use sp_keyring::Sr25519Keyring::{Alice, Bob};

use super::chain::*;
use crate::{Balances, Runtime, RuntimeCall, Timestamp};

fn publish(worker: &str, signing_time: u64) -> RuntimeCall {
    let versioned_endpoints = VersionedWorkerEndpoints::V1(vec!["https://a.example/".into()]);
    let endpoint_payload =
        WorkerEndpointPayload { pubkey: public(worker), versioned_endpoints, signing_time };
    let content = [&[0xff, 0x02][..], &endpoint_payload.encode()].concat();
    let signature = key(worker).sign(&content).0.to_vec();
    pallet_phala_registry::Call::update_worker_endpoint { endpoint_payload, signature }.into()
}

#[test]
fn a_worker_registers_itself_without_an_attestation() {
    on_chain(|| {
        dispatch(Bob, register("worker")).unwrap();
        let info = Workers::<Runtime>::get(public("worker")).unwrap();
        assert_eq!(info.last_updated, (START_MS + 6_000) / 1000);
    });
}

#[test]
fn it_publishes_endpoints_signed_before_the_clock_of_the_chain() {
    on_chain(|| {
        dispatch(Bob, register("worker")).unwrap();
        let now = Timestamp::get();
        dispatch(Alice, publish("worker", now)).unwrap_err();
        dispatch(Alice, publish("worker", now - 1)).unwrap();
        assert!(Endpoints::<Runtime>::contains_key(public("worker")));
    });
}

#[test]
fn accounts_and_workers_send_in_the_same_block() {
    on_chain(|| {
        dispatch(Bob, push(b"topic")).unwrap();
        dispatch(Alice, sync("worker", 0)).unwrap();
        assert_eq!(senders(), vec![from_account(Bob.to_account_id()), worker("worker")]);
        next_block();
        assert_eq!(senders(), vec![]);
    });
}

#[test]
fn every_call_costs_a_fee_and_weighs_something() {
    for call in [register("worker"), publish("worker", 0), sync("worker", 0), push(b"topic")] {
        assert!(call.get_dispatch_info().call_weight.ref_time() > 100_000_000);
    }
    on_chain(|| {
        let before = Balances::free_balance(Bob.to_account_id());
        dispatch(Bob, push(b"topic")).unwrap();
        assert!(Balances::free_balance(Bob.to_account_id()) < before);
    });
}

#[test]
fn the_registry_is_that_of_a_dev_chain() {
    use frame_support::traits::Get;
    use pallet_phala_registry::Config;
    let none_attestation: bool = <Runtime as Config>::NoneAttestationEnabled::get();
    let verify_program: bool = <Runtime as Config>::VerifyPRuntime::get();
    let verify_relay_chain: bool = <Runtime as Config>::VerifyRelaychainGenesisBlockHash::get();
    let para_id: u32 = <Runtime as Config>::ParachainId::get();
    assert_eq!((none_attestation, verify_program, verify_relay_chain), (true, false, false));
    assert_eq!(para_id, 2004);
}
