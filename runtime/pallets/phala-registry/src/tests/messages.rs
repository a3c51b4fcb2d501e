//! `PhalaMq.sync_offchain_message` with the keys of the registry.

use frame_support::{assert_noop, assert_ok};
use pallet_phala_mq::{MessageOrigin, OffchainIngress, SignedMessage, VerifySignedMessage};
use sp_core::H256;
use sp_runtime::DispatchResult;

use super::force_register;
use crate::{mock::*, ClusterKeys, ContractKeys, Error, GatekeeperMasterPubkey};

const ID: H256 = H256::repeat_byte(4);

fn sync(message: SignedMessage) -> DispatchResult {
    PhalaMq::sync_offchain_message(RuntimeOrigin::signed(ALICE), message)
}

fn worker() -> MessageOrigin {
    MessageOrigin::Worker(public("worker"))
}

#[test]
fn a_worker_signs_with_its_own_key() {
    chain().execute_with(|| {
        force_register(public("worker"));
        assert_ok!(sync(signed_by("worker", worker(), 0)));
        assert_ok!(sync(signed_by("worker", worker(), 1)));
        assert_eq!(OffchainIngress::<Test>::get(worker()), Some(2));
    });
}

#[test]
fn a_worker_need_not_be_registered() {
    chain().execute_with(|| {
        assert_ok!(sync(signed_by("worker", worker(), 0)));
    });
}

#[test]
fn nobody_else_signs_for_it() {
    chain().execute_with(|| {
        let forged = signed_by("other", worker(), 0);
        assert_noop!(sync(forged), Error::<Test>::InvalidSignature);
    });
}

#[test]
fn a_signature_covers_the_sequence() {
    chain().execute_with(|| {
        let moved = SignedMessage { sequence: 0, ..signed_by("worker", worker(), 1) };
        assert_noop!(sync(moved), Error::<Test>::InvalidSignature);
    });
}

#[test]
fn a_signature_must_have_64_bytes() {
    chain().execute_with(|| {
        for length in [0, 63, 65] {
            let signature = vec![0; length];
            let short = SignedMessage { signature, ..signed_by("worker", worker(), 0) };
            assert_noop!(sync(short), Error::<Test>::InvalidSignatureLength);
        }
    });
}

#[test]
fn contracts_sign_with_the_key_the_registry_has_for_them() {
    chain().execute_with(|| {
        let message = || signed_by("contract", MessageOrigin::Contract(ID), 0);
        assert_noop!(sync(message()), Error::<Test>::UnknownContract);
        ContractKeys::<Test>::insert(ID, public("contract"));
        assert_ok!(sync(message()));
    });
}

#[test]
fn clusters_sign_with_the_key_the_registry_has_for_them() {
    chain().execute_with(|| {
        let message = || signed_by("cluster", MessageOrigin::Cluster(ID), 0);
        assert_noop!(sync(message()), Error::<Test>::UnknownCluster);
        ClusterKeys::<Test>::insert(ID, public("cluster"));
        assert_ok!(sync(message()));
    });
}

#[test]
fn gatekeepers_sign_with_their_common_key() {
    chain().execute_with(|| {
        let message = || signed_by("gatekeepers", MessageOrigin::Gatekeeper, 0);
        assert_noop!(sync(message()), Error::<Test>::MasterKeyUninitialized);
        GatekeeperMasterPubkey::<Test>::put(public("gatekeepers"));
        assert_ok!(sync(message()));
    });
}

#[test]
fn there_is_no_key_for_anyone_else() {
    chain().execute_with(|| {
        let message = signed_by("worker", MessageOrigin::Reserved, 0);
        assert_noop!(PhalaRegistry::verify(&message), Error::<Test>::CannotHandleUnknownMessage);
    });
}
