//! The accounts that the service had before it had tokens. A real service has them in its own database.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// One account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Never given to another account.
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) is_editor: bool,
    // Of a sample; a real table has a hash.
    password: &'static str,
}

/// The table of accounts.
pub(crate) struct Accounts(Mutex<BTreeMap<&'static str, Account>>);

impl Accounts {
    /// Ada, who is an editor, and Bob, who is not.
    pub(crate) fn sample() -> Self {
        let ada = Account { id: 17, name: "ada", is_editor: true, password: "lovelace" };
        let bob = Account { id: 23, name: "bob", is_editor: false, password: "builder" };
        Self(Mutex::new([ada, bob].map(|account| (account.name, account)).into()))
    }

    /// The account with this name and password.
    pub(crate) fn sign_in(&self, name: &str, password: &str) -> Option<Account> {
        self.rows().get(name).filter(|account| account.password == password).cloned()
    }

    /// Closes an account for ever.
    pub(crate) fn close(&self, account: &Account) {
        self.rows().remove(account.name);
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<&'static str, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
