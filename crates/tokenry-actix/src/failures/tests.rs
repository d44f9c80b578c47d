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

fn client_ip(ip: &str) -> ClientIp {
    ClientIp::Known(ip.parse().unwrap())
}

fn numbered(number: u32) -> ClientIp {
    ClientIp::Known(IpAddr::V4(Ipv4Addr::from(number)))
}

/// The number of `times` failures that are within the limit.
fn allowed_failures(limiter: &Limiter<FakeRelativeClock>, source: ClientIp, times: usize) -> usize {
    (0..times).filter(|_| limiter.count(source).is_ok()).count()
}

#[test]
fn the_burst_of_a_source_is_twice_its_limit_and_does_not_affect_others() {
    let (limiter, _clock) = limiter(5, 100);
    assert_eq!(allowed_failures(&limiter, client_ip("192.0.2.1"), 20), 10);
    assert_eq!(allowed_failures(&limiter, client_ip("192.0.2.2"), 20), 10);
}

#[test]
fn an_ipv6_network_is_one_source_and_a_mapped_address_counts_as_ipv4() {
    let (limiter, _clock) = limiter(5, 100);
    let of = |ip, times| allowed_failures(&limiter, client_ip(ip), times);
    assert_eq!(of("2001:db8::1", 6) + of("2001:db8::ffff:2", 6), 10);
    assert_eq!(of("2001:db8:0:1::1", 20), 10);
    assert_eq!(of("192.0.2.1", 6) + of("::ffff:192.0.2.1", 6), 10);
}

#[test]
fn unknown_sources_have_a_separate_count_even_over_the_capacity() {
    let (limiter, _clock) = limiter(5, 2);
    assert_eq!(allowed_failures(&limiter, numbered(1), 1) + allowed_failures(&limiter, numbered(2), 1), 2);
    assert_eq!(allowed_failures(&limiter, numbered(3), 20), 10, "the overflow is used up");
    assert_eq!(allowed_failures(&limiter, ClientIp::Unknown, 20), 10);
    assert_eq!(allowed_failures(&limiter, numbered(1), 20), 9, "the proxy's own count is untouched");
}

#[test]
fn a_tracked_source_keeps_its_own_count_over_the_capacity() {
    let (limiter, _clock) = limiter(5, 3);
    for number in 1..=3 {
        assert!(limiter.count(numbered(number)).is_ok());
    }
    assert_eq!(allowed_failures(&limiter, numbered(9), 100), 10);
    assert_eq!(allowed_failures(&limiter, numbered(10), 100), 0, "shares the overflow count");
    for number in 1..=3 {
        assert_eq!(allowed_failures(&limiter, numbered(number), 100), 9, "{number}");
    }
}

#[test]
fn new_sources_are_tracked_again_after_the_old_ones_were_idle() {
    let (limiter, clock) = limiter(30, 1000);
    for number in 0..5_000 {
        let _ = limiter.count(numbered(number));
    }
    assert!(limiter.count(numbered(9_999)).is_err());
    // One failure is compensated after two seconds, and removed two seconds later.
    clock.advance(Duration::from_millis(4_001));
    assert_eq!(allowed_failures(&limiter, numbered(9_999), 100), 60);
    assert_eq!(allowed_failures(&limiter, numbered(9_998), 100), 60);
    assert_eq!(limiter.limiter.len(), 2);
}

#[test]
fn sources_are_swept_at_most_once_a_second() {
    let (limiter, clock) = limiter(600, 2);
    let fail = |number| limiter.count(numbered(number)).is_ok();
    // The third failure sweeps without effect; one second later both are idle, but before that no sweep runs.
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
fn memory_is_bounded_for_any_number_of_sources() {
    let limit = FailureLimit::new(NonZero::new(1000).unwrap());
    let mut allowed = 0;
    for number in 0..(MAX_SOURCES as u32 + 5_000) {
        allowed += usize::from(limit.count(numbered(number)).is_ok());
    }
    assert!(allowed >= MAX_SOURCES);
    assert!(limit.0.credentials.limiter.len() <= MAX_SOURCES);
}

#[test]
fn revocations_are_counted_separately_and_rejected_as_rfc_7009_specifies() {
    let limit = FailureLimit::new(NonZero::new(5).unwrap());
    let source = client_ip("192.0.2.1");
    let errors = (0..20).filter_map(|_| limit.count_revocation(source).err()).collect::<Vec<_>>();
    assert_eq!(errors.len(), 10);
    for error in errors {
        assert!(matches!(error, ApiError::Unavailable { retry_after_seconds: 1..=13 }), "{error:?}");
    }
    assert!(limit.count(source).is_ok());
}

/// A reference model of the count of a single source.
#[derive(Default, Clone, Copy)]
struct Model {
    full_until: u64,
}

impl Model {
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
    /// Within the capacity each source is counted like the model; memory stays bounded; and after two idle minutes and a
    /// little more all counts are back to zero.
    #[test]
    fn each_source_has_its_own_limit_within_the_capacity(
        failures in prop::collection::vec((0..10_u32, 0..4_000_u64), 1..400),
    ) {
        const PER_MINUTE: u32 = 6;
        const CAPACITY: usize = 6;
        let (limiter, clock) = limiter(PER_MINUTE, CAPACITY);
        let mut models: HashMap<u32, Model> = HashMap::new();
        let mut allowed: HashMap<u32, u64> = HashMap::new();
        let (mut now, mut ever_full) = (0, false);
        for (number, wait) in failures {
            clock.advance(Duration::from_millis(wait));
            now += wait;
            ever_full |= limiter.limiter.len() >= CAPACITY;
            let is_allowed = limiter.count(numbered(number)).is_ok();
            let is_within = models.entry(number).or_default().count(now, PER_MINUTE.into());
            if !ever_full {
                prop_assert_eq!(is_allowed, is_within);
            }
            *allowed.entry(number).or_default() += u64::from(is_allowed);
            // At most its own count and the overflow.
            prop_assert!(allowed[&number] <= 2 * (12 + now * u64::from(PER_MINUTE) / 60_000 + 1));
            prop_assert!(limiter.limiter.len() <= CAPACITY);
        }
        clock.advance(Duration::from_secs(131));
        for number in 0..CAPACITY as u32 {
            let burst = (0..20).filter(|_| limiter.count(numbered(number + 100)).is_ok()).count();
            prop_assert_eq!(burst, 12);
        }
    }
}
