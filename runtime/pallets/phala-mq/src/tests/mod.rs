mod check_mq_sequence;
mod encoding;
mod force_push;
mod push;
mod queue;
mod sync;
mod topics;

use crate::{mock::Test, Message, OutboundMessages};

fn outbound() -> Vec<Message> {
    OutboundMessages::<Test>::get()
}
