//! An OpenID provider of which a test controls every answer. `tests/browser` and `tests/cli` use a real one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, RwLock, TryLockError},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokenry_actix::{
    TrustedProxies,
    tokenry::{ClientSecret, IpList, IssuerMapping, JwtAlgorithm, OidcProvider, OidcSettings, OidcTransport},
};
use zeroize::Zeroizing;

/// The proxy in front of the app, which terminates TLS: the peer of all requests.
pub(crate) fn proxy() -> TrustedProxies {
    TrustedProxies::new(IpList::parse(&["192.0.2.1"]).unwrap())
}

/// The id of the first provider.
pub(crate) const ID: &str = "corp";
/// The client of Tokenry at every provider. The characters show that both are encoded.
pub(crate) const CLIENT: &str = "tokenry:1";
pub(crate) const SECRET: &str = "s3cret-of-the-client&+%";
/// The public URL of the app.
pub(crate) const PUBLIC: &str = "https://tokens.test";

/// The parameters of a query or a form.
pub(crate) type Parameters = BTreeMap<String, String>;

pub(crate) fn parameters(text: &str) -> Parameters {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A provider.
#[derive(Clone)]
pub(crate) struct FakeProvider(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) issuer: String,
    key: EncodingKey,
    key_id: String,
    /// Whether it does not respond.
    pub(crate) is_down: bool,
    /// The status of its token endpoint, instead of an answer.
    pub(crate) token_status: Option<u16>,
    /// How long its token endpoint takes.
    pub(crate) token_takes: Duration,
    /// While this is locked for writing, its token endpoint does not answer.
    pub(crate) gate: Arc<RwLock<()>>,
    /// Whether it accepts a code more than once.
    pub(crate) reuses_codes: bool,
    /// Changes of its metadata, and of header and claims of its ID tokens; `null` removes a member.
    pub(crate) metadata: Value,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    /// Replaces the ID token.
    pub(crate) id_token: Option<String>,
    /// The requests of browsers by their codes.
    codes: BTreeMap<String, Parameters>,
    /// All requests to it.
    pub(crate) requests: Vec<String>,
}

fn new_key() -> EncodingKey {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EncodingKey::from_ec_der(key.as_ref())
}

fn merge(into: &mut Value, changes: &Value) {
    let all = into.as_object_mut().unwrap();
    all.extend(changes.as_object().unwrap().clone());
    all.retain(|_, value| !value.is_null());
}

impl FakeProvider {
    pub(crate) fn new() -> Self {
        Self::named("https://id.corp.test")
    }

    pub(crate) fn named(issuer: &str) -> Self {
        Self(Arc::new(Mutex::new(State {
            issuer: issuer.to_owned(),
            key: new_key(),
            key_id: "one".to_owned(),
            is_down: false,
            token_status: None,
            token_takes: Duration::ZERO,
            gate: Arc::default(),
            reuses_codes: false,
            metadata: json!({}),
            header: json!({}),
            claims: json!({}),
            id_token: None,
            codes: BTreeMap::new(),
            requests: Vec::new(),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What the user's consent at this authorization URL leads to: the code for these claims.
    pub(crate) fn authorize(&self, url: &str, claims: &Value) -> String {
        let mut state = self.state();
        let (endpoint, query) = url.split_once('?').unwrap();
        assert_eq!(endpoint, format!("{}/auth", state.issuer));
        let mut request = parameters(query);
        request.insert("claims".to_owned(), claims.to_string());
        let code = format!("code-{}", state.codes.len());
        state.codes.insert(code.clone(), request);
        code
    }

    /// Replaces its key.
    pub(crate) fn rotate_key(&self, id: &str) {
        let mut state = self.state();
        (state.key, state.key_id) = (new_key(), id.to_owned());
    }
}

impl State {
    fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        let mut all = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "end_session_endpoint": format!("{issuer}/out"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        merge(&mut all, &self.metadata);
        all
    }

    fn jwks(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = json!(self.key_id);
        json!({ "keys": [jwk] })
    }

    /// A JWT with a valid signature, unless the header says otherwise.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }

    fn id_token(&self, request: &Parameters) -> String {
        if let Some(id_token) = &self.id_token {
            return id_token.clone();
        }
        let now = tokenry_actix::clock::now().seconds();
        let mut header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id });
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "nonce": request["nonce"], "iat": now, "exp": now + 300,
        });
        merge(&mut claims, &serde_json::from_str(&request["claims"]).unwrap());
        merge(&mut claims, &self.claims);
        merge(&mut header, &self.header);
        self.signed(&header, &claims)
    }

    /// The token endpoint.
    fn token(&mut self, form: &Parameters, authorization: &str) -> (u16, Value) {
        use base64::engine::general_purpose::STANDARD;
        let pair = format!("{}:{}", encoded(CLIENT), encoded(SECRET));
        if authorization != format!("Basic {}", STANDARD.encode(pair)) {
            return (401, json!({ "error": "invalid_client" }));
        }
        let request = match self.reuses_codes {
            true => self.codes.get(&form["code"]).cloned(),
            false => self.codes.remove(&form["code"]),
        };
        let Some(request) = request else { return (400, json!({ "error": "invalid_grant" })) };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        if challenge != request["code_challenge"] || form["redirect_uri"] != request["redirect_uri"] {
            return (400, json!({ "error": "invalid_grant" }));
        }
        let id_token = self.id_token(&request);
        (200, json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": id_token }))
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Sends requests to these providers by their issuers.
struct Network(Vec<FakeProvider>);

impl Network {
    fn find(&self, url: &str) -> Result<(&FakeProvider, String), String> {
        let found = self.0.iter().find_map(|provider| {
            let mut state = provider.state();
            let path = url.strip_prefix(state.issuer.as_str()).filter(|_| !state.is_down)?.to_owned();
            state.requests.push(url.to_owned());
            Some((provider, path))
        });
        found.ok_or_else(|| "connection refused".to_owned())
    }
}

impl OidcTransport for Network {
    fn get(&self, url: &str) -> Result<String, String> {
        let (provider, path) = self.find(url)?;
        let state = provider.state();
        match path.as_str() {
            "/.well-known/openid-configuration" => Ok(state.metadata().to_string()),
            "/jwks" => Ok(state.jwks().to_string()),
            _ => Err("status 404".to_owned()),
        }
    }

    fn post(
        &self,
        url: &str,
        form: Zeroizing<String>,
        authorization: Option<Zeroizing<String>>,
    ) -> Result<(u16, Zeroizing<String>), String> {
        let (provider, path) = self.find(url)?;
        assert_eq!(path, "/token");
        let gate = provider.state().gate.clone();
        let takes = provider.state().token_takes;
        std::thread::sleep(takes);
        // Bounded, so that a test whose own request is not rejected fails.
        for _ in 0..1000 {
            if !matches!(gate.try_read(), Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut state = provider.state();
        if let Some(status) = state.token_status {
            return Ok((status, Zeroizing::new(String::new())));
        }
        let authorization = authorization.map(|value| value.to_string()).unwrap_or_default();
        let (status, body) = state.token(&parameters(&form), &authorization);
        Ok((status, Zeroizing::new(body.to_string())))
    }
}

/// Sign-in at these providers. `groups` decides about roles, `name` is the name, and unknown users are created.
pub(crate) fn settings(providers: &[(&str, &FakeProvider)]) -> OidcSettings {
    let network = Network(providers.iter().map(|(_, provider)| (*provider).clone()).collect());
    let all = providers.iter().map(|(id, provider)| {
        let mapping = IssuerMapping::new(provider.state().issuer.clone())
            .with_subject_prefix(format!("{id}:"))
            .with_name_claim("name".to_owned())
            .with_role_claim("groups".to_owned())
            .with_roles(vec![("operators".to_owned(), "admin".parse().unwrap())])
            .with_creates_users(true);
        let mut settings =
            OidcProvider::new((*id).to_owned(), format!("The {id}"), CLIENT.to_owned(), mapping);
        settings.client_secret = ClientSecret::parse(Zeroizing::new(SECRET.to_owned()));
        settings.scopes = vec!["profile".to_owned()];
        settings.algorithm = JwtAlgorithm::Es256;
        settings
    });
    OidcSettings::new(PUBLIC.parse().unwrap(), all.collect(), Arc::new(network))
}
