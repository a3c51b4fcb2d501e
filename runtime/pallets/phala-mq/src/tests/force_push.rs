use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError::BadOrigin;

use super::outbound;
use crate::{mock::*, MessageOrigin};

#[test]
fn root_sends_in_the_name_of_a_pallet_in_the_same_block() {
    chain().execute_with(|| {
        let root = RuntimeOrigin::root();
        assert_ok!(PhalaMq::force_push_pallet_message(root, b"a".to_vec(), vec![7]));
        let sender = MessageOrigin::Pallet(b"ForcePushed".to_vec());
        assert_eq!(outbound(), vec![message(sender, b"a")]);
    });
}

#[test]
fn a_bad_topic_is_accepted_and_never_comes_out() {
    chain().execute_with(|| {
        for topic in [&b""[..], b"/a", b"^a"] {
            let root = RuntimeOrigin::root();
            assert_ok!(PhalaMq::force_push_pallet_message(root, topic.to_vec(), vec![]));
        }
        assert_eq!(outbound(), vec![]);
    });
}

#[test]
fn others_may_not() {
    chain().execute_with(|| {
        let push = |origin| PhalaMq::force_push_pallet_message(origin, b"a".to_vec(), vec![]);
        assert_noop!(push(RuntimeOrigin::signed(ALICE)), BadOrigin);
        assert_noop!(push(RuntimeOrigin::none()), BadOrigin);
    });
}
