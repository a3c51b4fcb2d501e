use pallet_phala_mq::MessageOrigin;
use pallet_phala_registry::{Gatekeeper, Workers};
use sp_keyring::Sr25519Keyring::{Alice, Bob};
use sp_runtime::DispatchError::BadOrigin;

use super::chain::*;
use crate::{Runtime, RuntimeCall};

fn sudo(call: impl Into<RuntimeCall>) -> RuntimeCall {
    pallet_sudo::Call::sudo { call: Box::new(call.into()) }.into()
}

#[test]
fn alice_registers_workers_and_gatekeepers() {
    on_chain(|| {
        dispatch(Alice, sudo(force_register(public("worker")))).unwrap();
        assert!(Workers::<Runtime>::contains_key(public("worker")));
        let gatekeeper = public("worker");
        dispatch(Alice, sudo(pallet_phala_registry::Call::register_gatekeeper { gatekeeper }))
            .unwrap();
        assert_eq!(Gatekeeper::<Runtime>::get(), vec![public("worker")]);
    });
}

#[test]
fn nobody_else_does() {
    on_chain(|| {
        assert_eq!(dispatch(Bob, force_register(public("worker"))), Err(BadOrigin));
        dispatch(Bob, sudo(force_register(public("worker")))).unwrap_err();
        assert!(!Workers::<Runtime>::contains_key(public("worker")));
    });
}

#[test]
fn alice_sends_in_the_name_of_a_pallet() {
    on_chain(|| {
        let (destination, payload) = (b"topic".to_vec(), vec![]);
        let call = pallet_phala_mq::Call::force_push_pallet_message { destination, payload };
        dispatch(Alice, sudo(call)).unwrap();
        assert_eq!(senders(), vec![MessageOrigin::Pallet(b"ForcePushed".to_vec())]);
    });
}

#[test]
fn alice_sends_as_someone_else() {
    on_chain(|| {
        let (who, call) = (Bob.to_account_id().into(), Box::new(push(b"topic")));
        dispatch(Alice, pallet_sudo::Call::sudo_as { who, call }).unwrap();
        assert_eq!(senders(), vec![from_account(Bob.to_account_id())]);
    });
}
