use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenry_crypto::JwtAlgorithm;
use zeroize::Zeroizing;

use super::*;
use crate::issuer::IssuerMapping;

const ISSUER: &str = "https://id.test";
const HOUR: u64 = 3600;

/// The network to one provider with the key `one`.
#[derive(Default)]
struct Network {
    /// Whether the keys cannot be fetched.
    has_no_keys: AtomicBool,
    takes: Duration,
    key_requests: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl OidcTransport for Network {
    fn get(&self, url: &str) -> Result<String, String> {
        if !url.ends_with("/jwks") {
            return Ok(json!({
                "issuer": ISSUER,
                "authorization_endpoint": format!("{ISSUER}/auth"),
                "token_endpoint": format!("{ISSUER}/token"),
                "jwks_uri": format!("{ISSUER}/jwks"),
            })
            .to_string());
        }
        self.key_requests.fetch_add(1, SeqCst);
        self.most_at_once.fetch_max(self.at_once.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::sleep(self.takes);
        self.at_once.fetch_sub(1, SeqCst);
        if self.has_no_keys.load(SeqCst) {
            return Err("status 500".to_owned());
        }
        let x = "own07M5XkLSGnrNJIE185eROCzk6sU4fUnLOkE90iRg";
        Ok(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x }] }).to_string())
    }

    fn post(
        &self,
        _: &str,
        _: Zeroizing<String>,
        _: Option<Zeroizing<String>>,
    ) -> Result<(u16, Zeroizing<String>), String> {
        Err("not a part of these tests".to_owned())
    }
}

fn provider(network: &Arc<Network>, monotonic: Monotonic) -> Provider {
    let mapping = IssuerMapping::new(ISSUER);
    let mut settings = OidcProvider::new("corp".to_owned(), "Corp".to_owned(), "tokenry".to_owned(), mapping);
    settings.algorithm = JwtAlgorithm::EdDsa;
    Provider::new(settings, network.clone(), monotonic).unwrap()
}

/// An ID token that names this key, with an invalid signature.
fn id_token(key: &str) -> String {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": key }));
    format!("{header}.{}.{}", part(json!({ "iss": ISSUER })), URL_SAFE_NO_PAD.encode([0; 64]))
}

#[test]
fn keys_are_used_for_a_day_at_most_while_they_cannot_be_fetched() {
    let (network, seconds) = (Arc::new(Network::default()), Arc::new(AtomicU64::new(0)));
    let read = seconds.clone();
    let provider = provider(&network, Monotonic::from_fn(move || Duration::from_secs(read.load(SeqCst))));
    let is_usable = |at: u64| {
        seconds.store(at, SeqCst);
        provider.ensure_keys(&provider.metadata().unwrap(), &id_token("one")).is_ok()
    };
    assert!(is_usable(0));
    network.has_no_keys.store(true, SeqCst);
    for (at, expected) in [(HOUR - 1, true), (HOUR, true), (24 * HOUR - 1, true), (24 * HOUR, false)] {
        assert_eq!(is_usable(at), expected, "{at}");
    }
    let fetched = network.key_requests.load(SeqCst);
    assert!(!is_usable(24 * HOUR + 3));
    assert_eq!(network.key_requests.load(SeqCst), fetched, "no attempt a moment after a failed one");
    network.has_no_keys.store(false, SeqCst);
    assert!(is_usable(24 * HOUR + 10));
    assert_eq!(network.key_requests.load(SeqCst), fetched + 1);
}

#[test]
fn keys_are_fetched_by_one_request_at_a_time_for_all_that_wait() {
    let network = Arc::new(Network { takes: Duration::from_millis(200), ..Network::default() });
    let provider = provider(&network, Monotonic::system());
    let together = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                together.wait();
                provider.ensure_keys(&provider.metadata().unwrap(), &id_token("two")).unwrap();
            });
        }
    });
    let requests = network.key_requests.load(SeqCst);
    assert_eq!(network.most_at_once.load(SeqCst), 1);
    assert!((1..8).contains(&requests), "{requests}");
}
