use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError::BadOrigin, DispatchResult};

use super::{added, events, force_register, updated};
use crate::{
    mock::*, AttestationProvider, AttestationReport, Endpoints, Error, WorkerAddedAt,
    WorkerRegistrationInfoV2, Workers,
};

type Info = WorkerRegistrationInfoV2<sp_runtime::AccountId32>;

fn register(info: Info, attestation: Option<AttestationReport>) -> DispatchResult {
    PhalaRegistry::register_worker_v2(RuntimeOrigin::signed(ALICE), info, attestation)
}

fn report() -> AttestationReport {
    AttestationReport::SgxDcap { quote: vec![1], collateral: None }
}

#[test]
fn a_new_worker_is_added() {
    chain().execute_with(|| {
        let worker = public("worker");
        assert_ok!(register(registration(worker), None));

        let info = Workers::<Test>::get(worker).unwrap();
        assert_eq!((info.pubkey, info.ecdh_pubkey), (worker, public("ecdh")));
        assert_eq!((info.runtime_version, info.last_updated), (3, NOW_MS / 1000));
        assert_eq!(info.operator, Some(ALICE));
        assert_eq!((info.confidence_level, info.initial_score), (128, None));
        assert_eq!(info.features, vec![2, 7]);
        #[cfg(not(feature = "legacy-worker-info"))]
        assert_eq!(info.attestation_provider, None);
        assert_eq!(WorkerAddedAt::<Test>::get(worker), Some(5));
        assert_eq!(events(), vec![added(worker, None)]);
    });
}

#[test]
fn a_known_worker_is_updated_but_keeps_its_ecdh_key() {
    chain().execute_with(|| {
        let worker = public("worker");
        assert_ok!(register(registration(worker), None));
        System::set_block_number(6);
        set_now(NOW_MS + 10_000);
        let renewed = Info {
            version: 4,
            ecdh_pubkey: public("rotated"),
            features: vec![],
            operator: None,
            ..registration(worker)
        };
        assert_ok!(register(renewed, None));

        let info = Workers::<Test>::get(worker).unwrap();
        assert_eq!(info.ecdh_pubkey, public("ecdh"));
        assert_eq!((info.runtime_version, info.last_updated), (4, NOW_MS / 1000 + 10));
        assert_eq!((info.operator, info.features), (None, vec![]));
        assert_eq!(WorkerAddedAt::<Test>::get(worker), Some(5));
        assert_eq!(events(), vec![added(worker, None), updated(worker)]);
    });
}

#[test]
fn a_worker_that_root_registered_keeps_who_vouches_for_it() {
    chain().execute_with(|| {
        let worker = public("worker");
        force_register(worker);
        assert_ok!(register(registration(worker), None));
        #[cfg(not(feature = "legacy-worker-info"))]
        assert_eq!(
            Workers::<Test>::get(worker).unwrap().attestation_provider,
            Some(AttestationProvider::Root)
        );
        let first = added(worker, Some(AttestationProvider::Root));
        assert_eq!(events(), vec![first, updated(worker)]);
    });
}

#[test]
fn anyone_may_register_a_worker_and_endpoints_stay() {
    chain().execute_with(|| {
        let worker = public("worker");
        Endpoints::<Test>::insert(worker, endpoints(&["a"]));
        assert_ok!(register(registration(worker), None));
        assert_eq!(Endpoints::<Test>::get(worker), Some(endpoints(&["a"])));
    });
}

#[test]
fn a_worker_for_another_chain_is_refused() {
    chain().execute_with(|| {
        let info = Info { para_id: PARA_ID + 1, ..registration(public("worker")) };
        assert_noop!(register(info, None), Error::<Test>::ParachainIdMismatch);
    });
}

#[test]
fn an_attestation_is_refused_since_nobody_can_check_it() {
    chain().execute_with(|| {
        let ias = AttestationReport::SgxIas {
            ra_report: vec![],
            signature: vec![],
            raw_signing_cert: vec![],
        };
        for report in [ias, report()] {
            let info = registration(public("worker"));
            assert_noop!(register(info, Some(report)), Error::<Test>::InvalidReport);
        }
    });
}

#[test]
fn none_is_refused_where_workers_must_attest_themselves() {
    attested_only(|| {
        chain().execute_with(|| {
            let info = || registration(public("worker"));
            assert_noop!(register(info(), None), Error::<Test>::NoneAttestationDisabled);
            assert_noop!(register(info(), Some(report())), Error::<Test>::InvalidReport);
        })
    });
}

#[test]
fn the_attestation_is_checked_before_the_chain() {
    chain().execute_with(|| {
        let info = Info { para_id: 0, ..registration(public("worker")) };
        assert_noop!(register(info, Some(report())), Error::<Test>::InvalidReport);
    });
}

#[test]
fn an_account_must_post_it() {
    chain().execute_with(|| {
        let register = |origin| {
            PhalaRegistry::register_worker_v2(origin, registration(public("worker")), None)
        };
        assert_noop!(register(RuntimeOrigin::root()), BadOrigin);
        assert_noop!(register(RuntimeOrigin::none()), BadOrigin);
    });
}
