use pallet_phala_registry::{Event, Workers};
use pallet_utility::Event as UtilityEvent;
use sp_core::{sr25519, H256};
use sp_keyring::Sr25519Keyring::{Alice, Bob};

use super::chain::*;
use crate::{Runtime, RuntimeCall, RuntimeEvent};

fn batch_all(calls: Vec<RuntimeCall>) -> RuntimeCall {
    RuntimeCall::Utility(pallet_utility::Call::batch_all { calls })
}

#[test]
fn three_hundred_registrations_fit_into_a_block() {
    on_chain(|| {
        let worker = |id: u64| sr25519::Public::from_raw(H256::from_low_u64_be(id).0);
        let calls = (0..300).map(|id| force_register(worker(id))).collect();
        let call = Box::new(batch_all(calls));
        dispatch(Alice, pallet_sudo::Call::sudo { call }).unwrap();
        assert_eq!(Workers::<Runtime>::iter().count(), 300);
        let added = |event: &RuntimeEvent| {
            matches!(event, RuntimeEvent::PhalaRegistry(Event::WorkerAdded { .. }))
        };
        assert_eq!(events(added), 300);
    });
}

#[test]
fn a_batch_of_messages_comes_out_in_order() {
    on_chain(|| {
        dispatch(Bob, batch_all((0..200u8).map(|id| push(&[b'a', id])).collect())).unwrap();
        let last: Vec<_> = outbound().iter().map(|message| message.destination.0[1]).collect();
        assert_eq!(last, (0..200).collect::<Vec<u8>>());
    });
}

#[test]
fn a_workers_messages_in_a_batch_count_on() {
    on_chain(|| {
        let messages = (0..3).map(|sequence| sync("worker", sequence)).collect();
        dispatch(Bob, batch_all(messages)).unwrap();
        assert_eq!(expected_sequence("worker"), 3);
        assert_eq!(senders(), vec![worker("worker"); 3]);
    });
}

#[test]
fn a_batch_that_fails_as_a_whole_sends_nothing() {
    on_chain(|| {
        dispatch(Bob, batch_all(vec![push(b"a"), sync("worker", 1)])).unwrap_err();
        assert_eq!(outbound(), vec![]);
    });
}

#[test]
fn a_batch_that_may_be_interrupted_keeps_what_it_has_done() {
    on_chain(|| {
        let calls = vec![push(b"a"), sync("worker", 1), push(b"b")];
        dispatch(Bob, pallet_utility::Call::batch { calls }).unwrap();
        assert_eq!(outbound().len(), 1);
        let interrupted = |event: &RuntimeEvent| {
            matches!(event, RuntimeEvent::Utility(UtilityEvent::BatchInterrupted { index: 1, .. }))
        };
        assert_eq!(events(interrupted), 1);
    });
}
