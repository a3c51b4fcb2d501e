use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::{DispatchError::BadOrigin, DispatchResult};

use super::outbound;
use crate::{mock::*, Error, MessageOrigin, OffchainIngress, SignedMessage};

fn sync(message: SignedMessage) -> DispatchResult {
    PhalaMq::sync_offchain_message(RuntimeOrigin::signed(ALICE), message)
}

fn with_bad_signature(message: SignedMessage) -> SignedMessage {
    SignedMessage { signature: vec![], ..message }
}

#[test]
fn a_message_comes_out_in_its_own_block_under_its_sender() {
    chain().execute_with(|| {
        assert_ok!(sync(signed(worker(1), b"a", 0)));
        assert_eq!(outbound(), vec![message(worker(1), b"a")]);
        assert_eq!(OffchainIngress::<Test>::get(worker(1)), Some(1));
        assert_eq!(System::event_count(), 0);
    });
}

#[test]
fn the_first_sequence_is_zero_and_each_sender_counts_for_itself() {
    chain().execute_with(|| {
        assert_eq!(OffchainIngress::<Test>::get(worker(1)), None);
        assert_ok!(sync(signed(worker(1), b"a", 0)));
        assert_ok!(sync(signed(worker(1), b"a", 1)));
        assert_ok!(sync(signed(worker(2), b"a", 0)));
        assert_ok!(sync(signed(MessageOrigin::Gatekeeper, b"a", 0)));
        assert_eq!(OffchainIngress::<Test>::get(worker(1)), Some(2));
        assert_eq!(OffchainIngress::<Test>::get(worker(2)), Some(1));
        assert_eq!(OffchainIngress::<Test>::get(MessageOrigin::Gatekeeper), Some(1));
    });
}

#[test]
fn every_kind_of_off_chain_sender_may_send() {
    chain().execute_with(|| {
        let id = H256::repeat_byte(3);
        for sender in [
            worker(3),
            MessageOrigin::Contract(id),
            MessageOrigin::Cluster(id),
            MessageOrigin::Gatekeeper,
        ] {
            assert_ok!(sync(signed(sender, b"a", 0)));
        }
        assert_eq!(outbound().len(), 4);
    });
}

#[test]
fn other_senders_are_refused() {
    chain().execute_with(|| {
        for sender in [
            MessageOrigin::Pallet(vec![]),
            MessageOrigin::AccountId(H256::zero()),
            MessageOrigin::MultiLocation(vec![]),
            MessageOrigin::Reserved,
        ] {
            assert_noop!(sync(signed(sender, b"a", 0)), Error::<Test>::BadSender);
        }
    });
}

#[test]
fn a_bad_topic_is_refused_and_the_sequence_stays() {
    chain().execute_with(|| {
        for topic in [&b""[..], b"/a", b":"] {
            assert_noop!(sync(signed(worker(1), topic, 0)), Error::<Test>::BadDestination);
        }
    });
}

#[test]
fn a_topic_for_pallets_is_accepted_and_counted_but_never_comes_out() {
    chain().execute_with(|| {
        assert_ok!(sync(signed(worker(1), b"^a", 0)));
        assert_eq!(outbound(), vec![]);
        assert_eq!(OffchainIngress::<Test>::get(worker(1)), Some(1));
    });
}

#[test]
fn a_past_and_a_future_sequence_are_refused() {
    chain().execute_with(|| {
        assert_noop!(sync(signed(worker(1), b"a", 1)), Error::<Test>::BadSequence);
        assert_ok!(sync(signed(worker(1), b"a", 0)));
        assert_noop!(sync(signed(worker(1), b"a", 0)), Error::<Test>::BadSequence);
        assert_noop!(sync(signed(worker(1), b"a", 2)), Error::<Test>::BadSequence);
    });
}

#[test]
fn a_bad_signature_is_refused_and_the_sequence_stays() {
    chain().execute_with(|| {
        assert_noop!(sync(with_bad_signature(signed(worker(1), b"a", 0))), BAD);
        assert_ok!(sync(signed(worker(1), b"a", 0)));
    });
}

#[test]
fn sender_topic_sequence_and_signature_are_checked_in_this_order() {
    chain().execute_with(|| {
        let account = MessageOrigin::AccountId(H256::zero());
        let refused =
            |sender, topic, sequence| sync(with_bad_signature(signed(sender, topic, sequence)));
        assert_noop!(refused(account, b"", 5), Error::<Test>::BadSender);
        assert_noop!(refused(worker(1), b"", 5), Error::<Test>::BadDestination);
        assert_noop!(refused(worker(1), b"a", 5), Error::<Test>::BadSequence);
        assert_noop!(refused(worker(1), b"a", 0), BAD);
    });
}

#[test]
fn an_account_must_post_it() {
    chain().execute_with(|| {
        let sync = |origin| PhalaMq::sync_offchain_message(origin, signed(worker(1), b"a", 0));
        assert_noop!(sync(RuntimeOrigin::root()), BadOrigin);
        assert_noop!(sync(RuntimeOrigin::none()), BadOrigin);
    });
}
