use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError::BadOrigin;

use super::{added, events, force_register};
use crate::{mock::*, AttestationProvider, WorkerAddedAt, Workers};

#[test]
fn root_registers_a_worker() {
    chain().execute_with(|| {
        let (worker, ecdh) = (public("worker"), public("ecdh"));
        let root = RuntimeOrigin::root();
        assert_ok!(PhalaRegistry::force_register_worker(root, worker, ecdh, Some(ALICE)));

        let info = Workers::<Test>::get(worker).unwrap();
        assert_eq!((info.pubkey, info.ecdh_pubkey), (worker, ecdh));
        assert_eq!((info.runtime_version, info.last_updated), (0, 1));
        assert_eq!(info.operator, Some(ALICE));
        assert_eq!((info.confidence_level, info.initial_score), (128, None));
        assert_eq!(info.features, vec![1, 4]);
        #[cfg(not(feature = "legacy-worker-info"))]
        assert_eq!(info.attestation_provider, Some(AttestationProvider::Root));
        assert_eq!(WorkerAddedAt::<Test>::get(worker), Some(5));
        assert_eq!(events(), vec![added(worker, Some(AttestationProvider::Root))]);
    });
}

#[test]
fn a_second_time_overwrites_also_the_ecdh_key_and_says_added_again() {
    chain().execute_with(|| {
        let worker = public("worker");
        force_register(worker);
        System::set_block_number(6);
        let root = RuntimeOrigin::root();
        assert_ok!(PhalaRegistry::force_register_worker(root, worker, public("other"), None));

        assert_eq!(Workers::<Test>::get(worker).unwrap().ecdh_pubkey, public("other"));
        assert_eq!(WorkerAddedAt::<Test>::get(worker), Some(6));
        let again = added(worker, Some(AttestationProvider::Root));
        assert_eq!(events(), vec![again.clone(), again]);
    });
}

#[test]
fn others_may_not() {
    chain().execute_with(|| {
        let (worker, ecdh) = (public("worker"), public("ecdh"));
        let register = |origin| PhalaRegistry::force_register_worker(origin, worker, ecdh, None);
        assert_noop!(register(RuntimeOrigin::signed(ALICE)), BadOrigin);
        assert_noop!(register(RuntimeOrigin::none()), BadOrigin);
    });
}
