//! The requests that make a secret stop working.

use anyhow::Result;

use super::client::{Client, Response};
use super::ledger::{Change, Issued};

impl Change {
    /// The change of the token with this number: the kinds take turns.
    pub(crate) fn of(index: usize) -> Self {
        match index % 6 {
            0 => Self::Pause,
            1 => Self::Rotate,
            2 => Self::RevokeByPossession,
            _ => Self::Revoke,
        }
    }

    /// Whether the time of its answer counts: a rotation takes half a second longer by design.
    pub(crate) fn is_timed(self) -> bool {
        self != Self::Rotate
    }

    /// Sends the request. A repetition after an unknown outcome has the same effect.
    ///
    /// # Errors
    /// Without a complete response.
    pub(crate) fn send(self, client: &mut Client, administrator: &str, token: &Issued) -> Result<Response> {
        let path = format!("/api/v1/tokens/{}", token.id);
        match self {
            Self::Revoke => client.send("DELETE", &path, Some(administrator), ""),
            Self::Pause => client.send("PATCH", &path, Some(administrator), r#"{"status":"inactive"}"#),
            Self::Rotate => client.send("POST", &format!("{path}/rotate"), Some(administrator), "{}"),
            Self::RevokeByPossession => client.send_form("/oauth/revoke", &format!("token={}", token.secret)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_turn() {
        let kinds: Vec<_> = (0..6).map(Change::of).collect();
        for kind in [Change::Revoke, Change::Pause, Change::Rotate, Change::RevokeByPossession] {
            assert!(kinds.contains(&kind), "{kind:?}");
        }
    }
}
