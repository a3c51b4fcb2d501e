use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError::BadOrigin, DispatchResult};

use super::{events, force_register};
use crate::{mock::*, Error, Event, Gatekeeper, WorkerPublicKey};

fn register(worker: WorkerPublicKey) -> DispatchResult {
    PhalaRegistry::register_gatekeeper(RuntimeOrigin::root(), worker)
}

fn unregister(worker: WorkerPublicKey) -> DispatchResult {
    PhalaRegistry::unregister_gatekeeper(RuntimeOrigin::root(), worker)
}

#[test]
fn a_worker_becomes_a_gatekeeper() {
    chain().execute_with(|| {
        let worker = public("worker");
        force_register(worker);
        System::reset_events();
        assert_ok!(register(worker));
        assert_eq!(Gatekeeper::<Test>::get(), vec![worker]);
        assert_eq!(events(), vec![Event::GatekeeperAdded { pubkey: worker }]);
    });
}

#[test]
fn a_second_time_changes_nothing_but_says_so_again() {
    chain().execute_with(|| {
        let worker = public("worker");
        force_register(worker);
        System::reset_events();
        assert_ok!(register(worker));
        assert_ok!(register(worker));
        assert_eq!(Gatekeeper::<Test>::get(), vec![worker]);
        assert_eq!(events().len(), 2);
    });
}

#[test]
fn who_is_no_worker_is_refused() {
    chain().execute_with(|| {
        assert_noop!(register(public("nobody")), Error::<Test>::WorkerNotFound);
    });
}

#[test]
fn a_gatekeeper_is_removed_without_an_event() {
    chain().execute_with(|| {
        let (one, other) = (public("one"), public("other"));
        force_register(one);
        force_register(other);
        assert_ok!(register(one));
        assert_ok!(register(other));
        System::reset_events();
        assert_ok!(unregister(one));
        assert_eq!(Gatekeeper::<Test>::get(), vec![other]);
        assert_ok!(unregister(other));
        assert_eq!(Gatekeeper::<Test>::get(), vec![]);
        assert_eq!(events(), vec![]);
    });
}

#[test]
fn who_is_no_gatekeeper_can_not_be_removed() {
    chain().execute_with(|| {
        force_register(public("worker"));
        assert_noop!(unregister(public("worker")), Error::<Test>::InvalidGatekeeper);
    });
}

#[test]
fn others_than_root_may_not() {
    chain().execute_with(|| {
        let (worker, alice) = (public("worker"), || RuntimeOrigin::signed(ALICE));
        force_register(worker);
        assert_noop!(PhalaRegistry::register_gatekeeper(alice(), worker), BadOrigin);
        assert_noop!(PhalaRegistry::unregister_gatekeeper(alice(), worker), BadOrigin);
    });
}
