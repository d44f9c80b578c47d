use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use governor::clock::FakeRelativeClock;
use proptest::prelude::*;

use super::*;

fn limiter(per_minute: u32, capacity: usize) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
    let clock = FakeRelativeClock::default();
    (Limiter::new(NonZero::new(per_minute).unwrap(), capacity, clock.clone()), clock)
}

fn known(ip: &str) -> ClientIp {
    ClientIp::Known(ip.parse().unwrap())
}

fn numbered(number: u32) -> ClientIp {
    ClientIp::Known(IpAddr::V4(Ipv4Addr::from(number)))
}

/// How many of so many failures are let through.
fn let_through(limiter: &Limiter<FakeRelativeClock>, source: ClientIp, times: usize) -> usize {
    (0..times).filter(|_| limiter.count(source).is_ok()).count()
}

#[test]
fn a_source_fails_twice_a_minutes_worth_at_once_and_others_are_not_touched() {
    let (limiter, _clock) = limiter(5, 100);
    assert_eq!(let_through(&limiter, known("192.0.2.1"), 20), 10);
    assert_eq!(let_through(&limiter, known("192.0.2.2"), 20), 10);
}

#[test]
fn an_ipv6_network_is_one_source_and_a_mapped_address_is_ipv4() {
    let (limiter, _clock) = limiter(5, 100);
    let of = |ip, times| let_through(&limiter, known(ip), times);
    assert_eq!(of("2001:db8::1", 6) + of("2001:db8::ffff:2", 6), 10);
    assert_eq!(of("2001:db8:0:1::1", 20), 10);
    assert_eq!(of("192.0.2.1", 6) + of("::ffff:192.0.2.1", 6), 10);
}

#[test]
fn unknown_sources_are_one_bucket_of_their_own_also_when_there_is_no_room() {
    let (limiter, _clock) = limiter(5, 2);
    assert_eq!(let_through(&limiter, numbered(1), 1) + let_through(&limiter, numbered(2), 1), 2);
    assert_eq!(let_through(&limiter, numbered(3), 20), 10, "the overflow is used up");
    assert_eq!(let_through(&limiter, ClientIp::Unknown, 20), 10);
    assert_eq!(let_through(&limiter, numbered(1), 20), 9, "the proxy's own count is untouched");
}

#[test]
fn a_remembered_source_keeps_its_own_count_while_there_is_no_room_for_others() {
    let (limiter, _clock) = limiter(5, 3);
    for number in 1..=3 {
        assert!(limiter.count(numbered(number)).is_ok());
    }
    assert_eq!(let_through(&limiter, numbered(9), 100), 10);
    assert_eq!(let_through(&limiter, numbered(10), 100), 0, "shares the count of those without room");
    for number in 1..=3 {
        assert_eq!(let_through(&limiter, numbered(number), 100), 9, "{number}");
    }
}

#[test]
fn new_sources_have_counts_of_their_own_again_once_the_old_ones_were_quiet() {
    let (limiter, clock) = limiter(30, 1000);
    for number in 0..5_000 {
        let _ = limiter.count(numbered(number));
    }
    assert!(limiter.count(numbered(9_999)).is_err());
    // One failure is made up for after two seconds, and forgotten two later.
    clock.advance(Duration::from_millis(4_001));
    assert_eq!(let_through(&limiter, numbered(9_999), 100), 60);
    assert_eq!(let_through(&limiter, numbered(9_998), 100), 60);
    assert_eq!(limiter.limiter.len(), 2);
}

#[test]
fn sources_are_swept_at_most_once_a_second() {
    let (limiter, clock) = limiter(600, 2);
    let fail = |number| limiter.count(numbered(number)).is_ok();
    // The third failure sweeps in vain; one second later both are old enough, one moment earlier nobody looks.
    assert!(fail(1) && fail(2) && fail(3));
    let swept = *limiter.swept_at.lock().unwrap();
    clock.advance(Duration::from_millis(999));
    assert!(fail(4));
    assert_eq!(*limiter.swept_at.lock().unwrap(), swept);
    assert_eq!(limiter.limiter.len(), 2);
    clock.advance(Duration::from_millis(2));
    assert!(fail(5));
    assert_ne!(*limiter.swept_at.lock().unwrap(), swept);
    assert_eq!(limiter.limiter.len(), 1);
}

#[test]
fn memory_is_bounded_whatever_sources_there_are() {
    let limit = FailureLimit::new(NonZero::new(1000).unwrap());
    let mut let_through = 0;
    for number in 0..(MAX_SOURCES as u32 + 5_000) {
        let_through += usize::from(limit.count(numbered(number)).is_ok());
    }
    assert!(let_through >= MAX_SOURCES);
    assert!(limit.0.credentials.limiter.len() <= MAX_SOURCES);
}

#[test]
fn revocations_are_counted_apart_and_refused_as_rfc_7009_says() {
    let limit = FailureLimit::new(NonZero::new(5).unwrap());
    let source = known("192.0.2.1");
    let refused = (0..20).filter_map(|_| limit.count_revocation(source).err()).collect::<Vec<_>>();
    assert_eq!(refused.len(), 10);
    for error in refused {
        assert!(matches!(error, ApiError::Unavailable { retry_after_seconds: 1..=13 }), "{error:?}");
    }
    assert!(limit.count(source).is_ok());
}

/// The count of one source alone: how far its failures reach into the future.
#[derive(Default, Clone, Copy)]
struct Alone {
    full_until: u64,
}

impl Alone {
    /// Counts one failure at `now` (milliseconds); whether it is within the limit.
    fn count(&mut self, now: u64, per_minute: u64) -> bool {
        let each = 60_000 / per_minute;
        let full_until = self.full_until.max(now) + each;
        let is_within = full_until <= now + each * per_minute * 2;
        if is_within {
            self.full_until = full_until;
        }
        is_within
    }
}

proptest! {
    /// While there is room each source is counted as if it were alone; without room too, as soon as it is remembered;
    /// memory stays bounded; and whatever happened, two quiet minutes and a bit undo it.
    #[test]
    fn the_limit_is_that_of_each_source_alone_as_far_as_there_is_room(
        failures in prop::collection::vec((0..10_u32, 0..4_000_u64), 1..400),
    ) {
        const PER_MINUTE: u32 = 6;
        const CAPACITY: usize = 6;
        let (limiter, clock) = limiter(PER_MINUTE, CAPACITY);
        let mut alone: HashMap<u32, Alone> = HashMap::new();
        let mut let_through: HashMap<u32, u64> = HashMap::new();
        let (mut now, mut ever_full) = (0, false);
        for (number, wait) in failures {
            clock.advance(Duration::from_millis(wait));
            now += wait;
            ever_full |= limiter.limiter.len() >= CAPACITY;
            let is_let_through = limiter.count(numbered(number)).is_ok();
            let is_within = alone.entry(number).or_default().count(now, PER_MINUTE.into());
            if !ever_full {
                prop_assert_eq!(is_let_through, is_within);
            }
            *let_through.entry(number).or_default() += u64::from(is_let_through);
            // Its own count and a share of the overflow, never more.
            prop_assert!(let_through[&number] <= 2 * (12 + now * u64::from(PER_MINUTE) / 60_000 + 1));
            prop_assert!(limiter.limiter.len() <= CAPACITY);
        }
        clock.advance(Duration::from_secs(131));
        for number in 0..CAPACITY as u32 {
            let burst = (0..20).filter(|_| limiter.count(numbered(number + 100)).is_ok()).count();
            prop_assert_eq!(burst, 12);
        }
    }
}
