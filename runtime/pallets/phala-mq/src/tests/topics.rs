use crate::Topic;

const RESERVED: &str = "~!@#$%&*_+-=|<>?,./;:'";

fn topic(bytes: &[u8]) -> Topic {
    Topic(bytes.to_vec())
}

#[test]
fn an_empty_topic_is_not_well_formed() {
    assert!(!topic(b"").is_well_formed());
    assert!(!topic(b"").is_outbound());
}

#[test]
fn every_reserved_first_byte_makes_a_topic_bad() {
    assert_eq!(RESERVED.len(), 22);
    for first in RESERVED.bytes() {
        assert!(!topic(&[first, b'a']).is_well_formed(), "{}", first as char);
        assert!(!topic(&[first]).is_outbound(), "{}", first as char);
    }
}

#[test]
fn no_other_first_byte_does() {
    for first in (0..=255).filter(|byte| !RESERVED.as_bytes().contains(byte)) {
        assert!(topic(&[first]).is_well_formed(), "{first}");
        assert_eq!(topic(&[first]).is_outbound(), first != b'^', "{first}");
    }
}

#[test]
fn a_reserved_byte_further_on_is_harmless() {
    assert!(topic(b"khala-relay/v1/").is_outbound());
    assert!(topic(b"a^").is_outbound());
}

#[test]
fn topics_for_pallets_are_well_formed_but_stay_on_chain() {
    assert!(topic(b"^a").is_well_formed());
    assert!(!topic(b"^a").is_outbound());
}
