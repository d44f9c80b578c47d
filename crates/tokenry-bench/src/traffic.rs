//! Requests, built before the run.

use crate::random::Random;

/// A source of requests for a stream.
pub(crate) trait Requests {
    /// The index of the next request; `None` when none is left.
    fn next(&mut self) -> Option<u64>;

    /// The bytes of a request.
    fn bytes(&self, tag: u64) -> &[u8];

    /// Receives each response; returns whether its status is expected.
    fn on_response(&mut self, tag: u64, status: u16, body: &[u8]) -> bool;
}

/// Repeats the same requests, in order or at random.
pub(crate) struct Repeated {
    requests: Packed,
    order: Order,
    expected: u16,
}

enum Order {
    InTurn(u64),
    ByChance(Random),
    Once(u64),
}

impl Repeated {
    pub(crate) fn in_order(requests: impl IntoIterator<Item = String>, expected: u16) -> Self {
        Self { requests: requests.into_iter().collect(), order: Order::InTurn(0), expected }
    }

    pub(crate) fn at_random(requests: impl IntoIterator<Item = String>, expected: u16) -> Self {
        let order = Order::ByChance(Random::new(0x7ea5));
        Self { requests: requests.into_iter().collect(), order, expected }
    }

    /// Sends each request only once.
    pub(crate) fn once(requests: impl IntoIterator<Item = String>, expected: u16) -> Self {
        Self { requests: requests.into_iter().collect(), order: Order::Once(0), expected }
    }
}

impl Requests for Repeated {
    fn next(&mut self) -> Option<u64> {
        let count = self.requests.len();
        match &mut self.order {
            Order::InTurn(next) => {
                let tag = *next % count;
                *next += 1;
                Some(tag)
            }
            Order::ByChance(random) => Some(random.below(count)),
            Order::Once(next) => {
                let tag = *next;
                *next += 1;
                (tag < count).then_some(tag)
            }
        }
    }

    fn bytes(&self, tag: u64) -> &[u8] {
        self.requests.get(tag)
    }

    fn on_response(&mut self, _tag: u64, status: u16, _body: &[u8]) -> bool {
        status == self.expected
    }
}

/// Many texts in one allocation, so that reading one costs a single cache miss.
#[derive(Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packed {
    pub(crate) fn len(&self) -> u64 {
        u64::try_from(self.ends.len()).unwrap_or_default()
    }

    /// The text at an index; empty when out of range.
    pub(crate) fn get(&self, number: u64) -> &[u8] {
        let Ok(number) = usize::try_from(number) else { return &[] };
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(number).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }
}

impl FromIterator<String> for Packed {
    fn from_iter<I: IntoIterator<Item = String>>(texts: I) -> Self {
        let mut packed = Self::default();
        for text in texts {
            packed.bytes.extend_from_slice(text.as_bytes());
            packed.ends.push(packed.bytes.len());
        }
        packed
    }
}

/// A request without a credential.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n")
}

/// A request with a token.
pub(crate) fn get_with(path: &str, token: &str) -> String {
    with("GET", path, token)
}

/// A request with a token and another method than GET.
pub(crate) fn with(method: &str, path: &str, token: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n")
}

/// A request with a token and a JSON body.
pub(crate) fn post(path: &str, token: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_read_back() {
        let packed: Packed = ["a", "", "bcd"].map(str::to_owned).into_iter().collect();
        let texts: Vec<_> = (0..4).map(|number| packed.get(number)).collect();
        assert_eq!((packed.len(), texts), (3, vec![&b"a"[..], b"", b"bcd", b""]));
    }

    #[test]
    fn requests_repeat_in_turn_or_end() {
        let texts = || ["a", "b"].map(str::to_owned);
        let mut turn = Repeated::in_order(texts(), 200);
        assert_eq!([turn.next(), turn.next(), turn.next()], [Some(0), Some(1), Some(0)]);
        let mut once = Repeated::once(texts(), 200);
        assert_eq!([once.next(), once.next(), once.next()], [Some(0), Some(1), None]);
        assert!(once.on_response(0, 200, b"") && !once.on_response(0, 401, b""));
    }
}
