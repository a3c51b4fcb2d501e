use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError::BadOrigin;

use super::outbound;
use crate::{mock::*, MessageOrigin, QueuedOutboundMessage};

fn push(topic: &[u8], payload: &[u8]) {
    let origin = RuntimeOrigin::signed(ALICE);
    assert_ok!(PhalaMq::push_message(origin, topic.to_vec(), payload.to_vec()));
}

#[test]
fn a_message_comes_out_in_its_own_block_under_the_account() {
    chain().execute_with(|| {
        push(b"topic", &[7]);
        let sender = MessageOrigin::AccountId([1; 32].into());
        assert_eq!(outbound(), vec![message(sender, b"topic")]);
    });
}

#[test]
fn messages_keep_their_order() {
    chain().execute_with(|| {
        push(b"a", &[1]);
        push(b"b", &[2]);
        push(b"a", &[3]);
        let payloads: Vec<_> = outbound().into_iter().map(|message| message.payload).collect();
        assert_eq!(payloads, vec![vec![1], vec![2], vec![3]]);
    });
}

#[test]
fn a_bad_topic_is_accepted_and_never_comes_out() {
    chain().execute_with(|| {
        for topic in [&b""[..], b"/a", b"~", b"^a"] {
            push(topic, &[7]);
        }
        assert_eq!(outbound(), vec![]);
        next_block();
        assert_eq!(outbound(), vec![]);
        assert!(!QueuedOutboundMessage::<Test>::exists());
    });
}

#[test]
fn only_accounts_push() {
    chain().execute_with(|| {
        let push = |origin| PhalaMq::push_message(origin, b"a".to_vec(), vec![]);
        assert_noop!(push(RuntimeOrigin::root()), BadOrigin);
        assert_noop!(push(RuntimeOrigin::none()), BadOrigin);
    });
}

#[test]
fn nothing_that_the_queue_does_emits_an_event() {
    chain().execute_with(|| {
        push(b"a", &[7]);
        assert_eq!(System::event_count(), 0);
    });
}

#[test]
fn longer_messages_weigh_more() {
    let weight = |payload| {
        use frame_support::dispatch::GetDispatchInfo;
        let call = crate::Call::<Test>::push_message { destination: vec![1], payload };
        call.get_dispatch_info().call_weight.ref_time()
    };
    assert!(weight(vec![]) > 0);
    assert_eq!(weight(vec![0; 1_000]) - weight(vec![]), 1_000 * crate::weights::BYTE_PS);
}
