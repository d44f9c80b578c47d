//! The unprivileged account of servers that refuse to run as root.

use std::fs;

use anyhow::{Context, Result, bail};

/// An unprivileged account: PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// `postgres` if that account exists, else `nobody`.
pub(crate) fn unprivileged() -> Result<Account> {
    let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    match ["postgres", "nobody"].iter().find_map(|name| account(&accounts, name)) {
        Some(account) => Ok(account),
        None => bail!("PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody`"),
    }
}

/// Finds `name` in the text of `/etc/passwd`; accounts with the id of root do not count.
fn account(passwd: &str, name: &str) -> Option<Account> {
    let mut fields = passwd.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let found = fields.next() == Some(name);
        found.then_some(fields)
    })?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Account { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_from_passwd() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgresql:x:9:9::/:\npostgres:x:101:104:,,,:/var:/bin/sh\n";
        assert_eq!(account(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(account(passwd, "nobody"), None);
        assert_eq!(account(passwd, "root"), None);
        assert_eq!(account("postgres:x:?\n", "postgres"), None);
    }
}
