//! One table of tokens: every entrance and every form of credential gives the same verdict.

mod deployment;
mod entrances;
mod tokens;

use tokenry_testkit::each_backend;

use self::{
    deployment::Deployment,
    entrances::{ENTRANCES, Verdict},
};

each_backend!(every_entrance_and_every_form_of_credential_gives_the_same_verdict, |db| {
    let deployment = Deployment::start(db);
    let mut count = 0;
    for token in tokens::table(&deployment) {
        for entrance in &ENTRANCES {
            for (form, verdict) in (entrance.ask)(&deployment, &token.text) {
                count += 1;
                let place = format!("{} as {form}: {}", entrance.name, token.name);
                assert_eq!(verdict.admits, token.code.is_empty(), "{place}: {verdict:?}");
                if let Verdict { code: Some(code), .. } = verdict {
                    assert_eq!(code, token.code, "{place}");
                }
            }
        }
    }
    // Library, middleware, /api/v1/verify, introspection, AuthZEN, and each proxy that is installed.
    assert_eq!(count, 16 * (1 + 5 + 2 + 3 + 4 + 5 * deployment.gateways.len()));
});
