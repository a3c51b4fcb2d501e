use frame_support::assert_ok;

use super::outbound;
use crate::{mock::*, MessageOrigin, OutboundMessages, QueuedOutboundMessage};

fn pallet() -> MessageOrigin {
    MessageOrigin::Pallet(b"Test".to_vec())
}

#[test]
fn a_message_lives_for_one_block() {
    chain().execute_with(|| {
        assert_ok!(PhalaMq::push_message(RuntimeOrigin::signed(ALICE), b"a".to_vec(), vec![]));
        assert_eq!(outbound().len(), 1);
        next_block();
        assert!(!OutboundMessages::<Test>::exists());
    });
}

#[test]
fn what_a_pallet_queues_comes_out_in_the_next_block() {
    chain().execute_with(|| {
        PhalaMq::queue(message(pallet(), b"a"));
        PhalaMq::queue(message(pallet(), b"b"));
        assert_eq!(outbound(), vec![]);
        next_block();
        assert_eq!(outbound(), vec![message(pallet(), b"a"), message(pallet(), b"b")]);
        assert!(!QueuedOutboundMessage::<Test>::exists());
        next_block();
        assert_eq!(outbound(), vec![]);
    });
}

#[test]
fn queued_messages_come_before_those_of_the_block() {
    chain().execute_with(|| {
        PhalaMq::queue(message(pallet(), b"queued"));
        next_block();
        assert_ok!(PhalaMq::push_message(RuntimeOrigin::signed(ALICE), b"pushed".to_vec(), vec![]));
        let topics: Vec<_> = outbound().into_iter().map(|message| message.destination.0).collect();
        assert_eq!(topics, vec![b"queued".to_vec(), b"pushed".to_vec()]);
    });
}

#[test]
fn a_queued_message_with_a_bad_topic_vanishes() {
    chain().execute_with(|| {
        PhalaMq::queue(message(pallet(), b"^a"));
        PhalaMq::queue(message(pallet(), b""));
        next_block();
        assert_eq!(outbound(), vec![]);
        assert!(!QueuedOutboundMessage::<Test>::exists());
    });
}
