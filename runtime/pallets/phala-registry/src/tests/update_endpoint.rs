use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use sp_core::Pair;
use sp_runtime::{DispatchError::BadOrigin, DispatchResult};

use super::{events, force_register};
use crate::{mock::*, Endpoints, Error, WorkerEndpointPayload, ENDPOINT_VALID_MS};

fn update(payload: WorkerEndpointPayload, signature: &[u8]) -> DispatchResult {
    let origin = RuntimeOrigin::signed(ALICE);
    PhalaRegistry::update_worker_endpoint(origin, payload, signature.to_vec())
}

fn sign(name: &str, payload: &WorkerEndpointPayload) -> Vec<u8> {
    key(name).sign(&payload.signed_content()).0.to_vec()
}

/// The worker publishes at `NOW_MS` what it has signed at `signing_time`.
fn publish(signing_time: u64) -> DispatchResult {
    let payload = payload(public("worker"), signing_time);
    let signature = sign("worker", &payload);
    update(payload, &signature)
}

fn with_worker(test: impl FnOnce()) {
    chain().execute_with(|| {
        force_register(public("worker"));
        System::reset_events();
        test();
    });
}

#[test]
fn the_signed_content_is_wrapped() {
    let payload = payload(public("worker"), 1);
    let content = payload.signed_content();
    assert_eq!(content[..2], [0xff, 0x02]);
    assert_eq!(content[2..], payload.encode());
}

#[test]
fn endpoints_are_published_without_an_event() {
    with_worker(|| {
        assert_ok!(publish(NOW_MS - 1));
        let published = endpoints(&["https://worker.example/"]);
        assert_eq!(Endpoints::<Test>::get(public("worker")), Some(published));
        assert_eq!(events(), vec![]);
        assert_eq!(System::event_count(), 0);
    });
}

#[test]
fn an_older_payload_may_be_replayed_while_it_is_fresh() {
    with_worker(|| {
        let old = payload(public("worker"), NOW_MS - 2_000);
        let new = WorkerEndpointPayload {
            versioned_endpoints: endpoints(&[]),
            ..payload(public("worker"), NOW_MS - 1_000)
        };
        assert_ok!(update(old.clone(), &sign("worker", &old)));
        assert_ok!(update(new.clone(), &sign("worker", &new)));
        assert_ok!(update(old.clone(), &sign("worker", &old)));
        assert_eq!(Endpoints::<Test>::get(public("worker")), Some(old.versioned_endpoints));
    });
}

#[test]
fn a_signature_is_good_from_the_next_millisecond_on_for_4_hours() {
    with_worker(|| {
        for good in [NOW_MS - 1, NOW_MS - ENDPOINT_VALID_MS] {
            assert_ok!(publish(good));
        }
        for bad in [NOW_MS + 1, NOW_MS, NOW_MS - ENDPOINT_VALID_MS - 1] {
            assert_noop!(publish(bad), Error::<Test>::InvalidEndpointSigningTime);
        }
        assert_eq!(ENDPOINT_VALID_MS, 14_400_000);
    });
}

#[test]
fn a_time_at_the_end_of_all_times_is_refused() {
    with_worker(|| {
        assert_noop!(publish(u64::MAX), Error::<Test>::InvalidEndpointSigningTime);
    });
}

#[test]
fn a_signature_must_have_64_bytes() {
    with_worker(|| {
        for length in [0, 63, 65] {
            let payload = payload(public("worker"), NOW_MS - 1);
            let refused = update(payload, &vec![0; length]);
            assert_noop!(refused, Error::<Test>::InvalidSignatureLength);
        }
    });
}

#[test]
fn the_signature_must_be_the_workers_over_the_wrapped_payload() {
    with_worker(|| {
        let payload = payload(public("worker"), NOW_MS - 1);
        let unwrapped = key("worker").sign(&payload.encode()).0;
        for signature in [sign("other", &payload), unwrapped.to_vec(), vec![0; 64]] {
            assert_noop!(update(payload.clone(), &signature), Error::<Test>::InvalidSignature);
        }
        let changed =
            WorkerEndpointPayload { versioned_endpoints: endpoints(&[]), ..payload.clone() };
        assert_noop!(update(changed, &sign("worker", &payload)), Error::<Test>::InvalidSignature);
    });
}

#[test]
fn who_is_no_worker_is_refused() {
    chain().execute_with(|| {
        assert_noop!(publish(NOW_MS - 1), Error::<Test>::InvalidPubKey);
    });
}

#[test]
fn length_signature_time_and_worker_are_checked_in_this_order() {
    chain().execute_with(|| {
        let late = payload(public("worker"), NOW_MS);
        assert_noop!(update(late.clone(), &[0; 63]), Error::<Test>::InvalidSignatureLength);
        assert_noop!(update(late.clone(), &[0; 64]), Error::<Test>::InvalidSignature);
        assert_noop!(publish(NOW_MS), Error::<Test>::InvalidEndpointSigningTime);
        assert_noop!(publish(NOW_MS - 1), Error::<Test>::InvalidPubKey);
    });
}

#[test]
fn any_account_may_post_them_but_only_accounts() {
    with_worker(|| {
        let payload = payload(public("worker"), NOW_MS - 1);
        let signature = sign("worker", &payload);
        let update = |origin| {
            PhalaRegistry::update_worker_endpoint(origin, payload.clone(), signature.clone())
        };
        assert_noop!(update(RuntimeOrigin::root()), BadOrigin);
        assert_noop!(update(RuntimeOrigin::none()), BadOrigin);
        assert_ok!(update(RuntimeOrigin::signed([77; 32].into())));
    });
}
