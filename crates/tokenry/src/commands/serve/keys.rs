//! The keys that are fetched while the server runs.

use std::{io, sync::Arc};

use tokenry_service::{GithubReports, KeyRefresh, supervisor::Workers};

use crate::{
    jwks_refresher::{JwksRefresher, Refresher, ReplaceKeys},
    settings::{GithubKeys, Settings},
};

/// The refreshers of keys, which run from `begin` until they are dropped.
#[derive(Default)]
pub(super) struct FetchedKeys(Vec<(Arc<JwksRefresher>, ReplaceKeys)>);

impl FetchedKeys {
    /// The refreshers that the settings need, and the keys of GitHub's reports.
    pub(super) fn of(settings: &mut Settings) -> (Self, Option<Arc<GithubReports>>) {
        let mut keys = Self::default();
        let sources = std::mem::take(&mut settings.key_sources);
        if let Some(sign_in) = settings.service.sign_in.as_mut().filter(|_| !sources.is_empty()) {
            let verifier = sign_in.verifier.clone();
            let replace: ReplaceKeys = Arc::new(move |issuer, document| {
                verifier.replace_keys(issuer, document).map_err(|error| error.to_string())
            });
            let refresher = Arc::new(JwksRefresher::new(sources));
            sign_in.key_refresh = Some(interface(&refresher));
            keys.0.push((refresher, replace));
        }
        let github = match settings.github_keys.take() {
            None => None,
            Some(GithubKeys::Fixed(fixed)) => Some(Arc::new(GithubReports::new(fixed))),
            Some(GithubKeys::Fetched(source)) => {
                let refresher = Arc::new(JwksRefresher::new(vec![source]));
                let reports = Arc::new(GithubReports::fetched(interface(&refresher)));
                let replaced = reports.clone();
                let replace: ReplaceKeys = Arc::new(move |_, document| {
                    replaced.replace_keys(document).map_err(|error| format!("the document {error}"))
                });
                keys.0.push((refresher, replace));
                Some(reports)
            }
        };
        (keys, github)
    }

    /// Starts to fetch.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn begin(&self, workers: &Workers) -> io::Result<()> {
        self.0.iter().try_for_each(|(refresher, replace)| refresher.begin(replace, workers))
    }
}

fn interface(refresher: &Arc<JwksRefresher>) -> Arc<dyn KeyRefresh> {
    Arc::new(Refresher(Arc::downgrade(refresher)))
}
