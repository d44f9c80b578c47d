//! Tokens that are derived from their number, so that ten million of them need no memory.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use tokenry_crypto::{HashSettings, Hasher, PlainToken, Prefix, Scheme, SecretRng};
use tokenry_domain::{
    Actor, IpList, Lifetime, Metadata, Revocation, Role, ScopeSet, Subject, Token, TokenId, TokenName,
    UnixMillis, User, UserId, UserName,
};
use tokenry_store::{StoredSecret, token::ImportedToken};

use crate::random::Random;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The possible last characters of a secret: the two lowest bits are zero.
const LAST: &[u8; 16] = b"AEIMQUYcgkosw048";
/// The number of distinct first six characters of a public id.
const SLOTS: u64 = 62 * 62 * 62 * 62 * 62 * 62;

/// A set of tokens of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    /// Its name, from which tokens and users are derived.
    pub(crate) name: &'static str,
    pub(crate) count: u64,
    /// The number of owners, who have equally many tokens.
    pub(crate) owners: u64,
    pub(crate) scheme: Scheme,
    pub(crate) state: State,
}

/// The state of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Revoked,
    /// Expired long ago, and recorded in the audit log.
    Expired,
}

impl Population {
    pub(crate) fn live(name: &'static str, count: u64) -> Self {
        Self { name, count, owners: 1, scheme: Scheme::Sha256, state: State::Live }
    }

    /// The token with this number.
    pub(crate) fn text(&self, number: u64) -> String {
        self.token_text(number, 0, 0)
    }

    /// The public id of that token with another secret; each `turn` gives another one.
    pub(crate) fn wrong(&self, number: u64, turn: u64) -> String {
        self.token_text(number, 0, turn + 1)
    }

    /// A well-formed token that does not exist.
    pub(crate) fn unknown(&self, number: u64) -> String {
        self.token_text(number, 1, 0)
    }

    /// A token with a wrong checksum.
    pub(crate) fn wrong_checksum(&self, number: u64) -> String {
        let mut text = self.text(number);
        let last = text.pop();
        text.push(if last == Some('a') { 'b' } else { 'a' });
        text
    }

    /// Numbers of tokens, evenly spread over the population.
    pub(crate) fn sample(&self, count: u64) -> impl Iterator<Item = u64> + use<> {
        let (all, count) = (self.count, count.min(self.count).max(1));
        (0..count).map(move |number| number * all / count)
    }

    pub(crate) fn owner(&self, number: u64, now: UnixMillis) -> Result<User> {
        let name = format!("bench-{}-{number}", self.name);
        Ok(User {
            id: self.owner_id(number, now),
            subject: Subject::parse(&name)?,
            name: UserName::parse(&name)?,
            role: Role::user(),
            disabled_at: None,
            tokens_revoked_at: None,
            claims_at: None,
            claims_after: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// The id of the token with this number, in a database that was filled at `now`.
    pub(crate) fn id(&self, number: u64, now: UnixMillis) -> Result<TokenId> {
        let bytes = Random::of(&[self.seed(), number, 7]).bytes();
        Ok(TokenId::new(self.created_at(number, now)?, bytes))
    }

    pub(crate) fn import(
        &self,
        number: u64,
        now: UnixMillis,
        hashes: &mut HashSource,
    ) -> Result<ImportedToken> {
        let text = self.text(number);
        let plain = PlainToken::parse(&hashes.prefix, text.as_bytes())?;
        let created_at = self.created_at(number, now)?;
        let life = match self.state {
            State::Expired => Lifetime::days(30),
            State::Live | State::Revoked => Lifetime::days(90),
        };
        let revoked =
            (self.state == State::Revoked).then_some(Revocation { at: now, by: Actor::System, reason: None });
        let hasher = match self.scheme {
            Scheme::Bcrypt => &hashes.bcrypt,
            Scheme::Argon2id => &hashes.argon2id,
            _ => &hashes.sha256,
        };
        let hash = hasher.hash(&plain, &mut hashes.rng)?;
        let secret = StoredSecret { proof: hasher.storable_proof(&plain, &hash), ..hash.into() };
        let token = Token {
            id: self.id(number, now)?,
            user_id: self.owner_id(number * self.owners / self.count.max(1), now),
            public_id: plain.public_id(),
            shown_prefix: None,
            suffix: plain.suffix(),
            name: TokenName::parse(format!("token {number}"))?,
            description: None,
            scopes: ScopeSet::parse(&["demo:read".to_owned(), "tokens:write".to_owned()])?,
            inactive_at: None,
            not_before: None,
            expires_at: Some(created_at.checked_add(life).context("the time is out of range")?),
            last_used_at: None,
            last_used_ip: None,
            allowed_ips: IpList::default(),
            metadata: Metadata::default(),
            version: 1,
            created_at,
            secret_at: created_at,
            created_by: Actor::System,
            updated_at: created_at,
            revoked,
            expiry_noted_at: (self.state == State::Expired).then_some(now),
        };
        Ok(ImportedToken { token, secret })
    }

    /// SECURITY: these secrets are public; use them only in databases of measurements.
    ///
    /// The public ids increase with the numbers, evenly over the whole range, so that rows are inserted in the order of
    /// the index. Random reads are not affected.
    fn token_text(&self, number: u64, stream: u64, secret: u64) -> String {
        let mut text = Prefix::default().as_str().to_owned();
        let mut public = Random::of(&[self.seed(), stream, number]);
        let width = SLOTS / self.count.max(1);
        let mut slot = number * width + public.below(width);
        let mut front = [0_u8; 6];
        for byte in front.iter_mut().rev() {
            *byte = digit(slot);
            slot /= 62;
        }
        text.extend(front.map(char::from));
        text.extend((0..6).map(|_| char::from(digit(public.next()))));
        let mut random = Random::of(&[self.seed(), stream, number, secret, 1]);
        text.extend((0..42).map(|_| char::from(digit(random.next()))));
        let last = LAST.get(usize::try_from(random.below(16)).unwrap_or_default());
        text.push(char::from(last.copied().unwrap_or(b'A')));
        let sum = checksum(&text);
        let _ = write!(text, "{sum}");
        text
    }

    fn created_at(&self, number: u64, now: UnixMillis) -> Result<UnixMillis> {
        let age = if self.state == State::Expired { 200 } else { 2 };
        let first = now.checked_sub(Lifetime::days(age)).context("the time is out of range")?;
        let millis = first.get() + i64::try_from(number)?;
        UnixMillis::new(millis).context("the time is out of range")
    }

    fn owner_id(&self, number: u64, now: UnixMillis) -> UserId {
        UserId::new(now, Random::of(&[self.seed(), number, 9]).bytes())
    }

    fn seed(&self) -> u64 {
        self.name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// Computes stored hashes.
pub(crate) struct HashSource {
    prefix: Prefix,
    sha256: Hasher,
    bcrypt: Hasher,
    argon2id: Hasher,
    rng: SecretRng,
}

impl HashSource {
    pub(crate) fn new() -> Result<Self> {
        let hasher = |scheme| Hasher::new(HashSettings::new(scheme));
        Ok(Self {
            prefix: Prefix::default(),
            sha256: hasher(Scheme::Sha256)?,
            bcrypt: hasher(Scheme::Bcrypt)?,
            argon2id: hasher(Scheme::Argon2id)?,
            rng: SecretRng::os(),
        })
    }
}

fn digit(value: u64) -> u8 {
    let index = usize::try_from(value % 62).unwrap_or_default();
    BASE62.get(index).copied().unwrap_or(b'0')
}

/// The published form of the checksum: CRC-32 in six base62 digits.
fn checksum(front: &str) -> String {
    let mut rest = u64::from(crc32fast::hash(front.as_bytes()));
    let mut digits = [b'0'; 6];
    for byte in digits.iter_mut().rev() {
        *byte = digit(rest);
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_a_token_unless_its_checksum_is_wrong() {
        let population = Population::live("test", 1000);
        let is_token = |text: String| tokenry_crypto::check_format(&Prefix::default(), &text).is_ok();
        for number in 0..1000 {
            assert!(is_token(population.text(number)) && is_token(population.unknown(number)));
            assert!(is_token(population.wrong(number, 0)) && !is_token(population.wrong_checksum(number)));
            assert_eq!(population.text(number)[..16], population.wrong(number, 3)[..16]);
            assert_ne!(population.text(number), population.wrong(number, 0));
        }
    }

    #[test]
    fn texts_are_in_the_order_of_their_numbers_and_repeat() {
        let population = Population::live("test", 300);
        let texts: Vec<_> = (0..300).map(|number| population.text(number)).collect();
        assert!(texts.is_sorted());
        assert_eq!(population.text(7), texts[7]);
        assert_ne!(Population::live("other", 300).text(7), texts[7]);
        assert_eq!(population.sample(3).collect::<Vec<_>>(), [0, 100, 200]);
    }
}
