//! The policy of an installation, which every caller may read.

use std::num::NonZero;

use serde_json::{Value, json};
use tokenry_actix::{
    FailureLimit, HttpSettings,
    tokenry::{
        Bucket, Catalog, Lifetime, Limits, Policy, ReusePolicy, Settings, UsageSettings,
        catalog::{Definition, RoleDefinition},
    },
};
use tokenry_testkit::each_backend;

use crate::{api::Api, jwt};

each_backend!(the_default_policy_has_the_form_of_the_contract, |db| {
    let api = Api::with(db, |settings| settings.policy = Policy::default(), HttpSettings::default());
    let shown = api.call("GET", "/api/v1/policy", &api.root).json();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "lifetime": {
        "allow_never": false,
        "default_days": 90,
        "idle_days": 0,
        "max_days": 365,
        "min_seconds": 60
      },
      "limits": {
        "creations_per_hour": 5,
        "failures_per_minute": null,
        "management_per_minute": null,
        "max_live_tokens": 10
      },
      "retention": {
        "dead_tokens_days": 90
      },
      "roles": [
        {
          "name": "user",
          "scopes": [
            "tokens:admin"
          ]
        },
        {
          "name": "admin",
          "scopes": [
            "*"
          ]
        }
      ],
      "rotation": {
        "max_grace_seconds": 86400,
        "on_reuse": "alert"
      },
      "session": {
        "idle_seconds": 3600,
        "lifetime_seconds": 43200
      },
      "token": {
        "prefix": "pat_"
      },
      "usage": {
        "bucket_seconds": 60,
        "enabled": true,
        "retention_days": 90
      }
    }
    "#);
    let (_, unscoped) = api.token_of(&api.user("alice"), &[]);
    for credential in [unscoped, jwt::of("alice", "user")] {
        assert_eq!(api.call("GET", "/api/v1/policy", &credential).json(), shown, "the same for everybody");
    }
    api.call("GET", "/api/v1/policy?x=1", &api.root).is_problem(422, "validation_failed");
});

fn role(name: &str, scopes: &[&str]) -> RoleDefinition {
    RoleDefinition::new(name.to_owned(), scopes.iter().map(ToString::to_string).collect())
}

fn per_minute(number: u32) -> NonZero<u32> {
    NonZero::new(number).unwrap()
}

each_backend!(every_configured_rule_is_in_the_policy, |db| {
    let roles = vec![role("guest", &["tokens:read"]), role("chief", &["*"])];
    let catalog = Catalog::define(&Definition::default().with_roles(roles)).unwrap();
    let policy = Policy::default()
        .with_limits(Limits::default().with_max_live_tokens(Some(7)).with_creations_per_hour(None))
        .with_default_lifetime(None)
        .with_max_lifetime(None)
        .with_allow_never(true)
        .with_idle_lifetime(Some(Lifetime::seconds(1)))
        .with_max_grace(Lifetime::seconds(90))
        .with_on_reuse(ReusePolicy::Revoke);
    let change = |settings: &mut Settings| {
        (settings.policy, settings.catalog, settings.retention) = (policy, catalog, None);
        let bucket = Bucket::new(Lifetime::seconds(0)).unwrap();
        settings.usage = UsageSettings::default()
            .with_is_enabled(false)
            .with_bucket(bucket)
            .with_retention(Lifetime::days(3));
    };
    let http = HttpSettings::default().with_failure_limit(FailureLimit::new(per_minute(31)));
    #[cfg(feature = "route-quotas")]
    let http = http.with_management_quota(tokenry_actix::ManagementQuota::new(per_minute(61)));
    let api = Api::with(db, change, http);
    let mut shown = api.call("GET", "/api/v1/policy", &api.root).json();
    let management = shown["limits"]["management_per_minute"].take();
    assert_eq!(management, if cfg!(feature = "route-quotas") { json!(61) } else { Value::Null });
    insta::assert_json_snapshot!(shown, @r#"
    {
      "lifetime": {
        "allow_never": true,
        "default_days": 0,
        "idle_days": 1,
        "max_days": 0,
        "min_seconds": 60
      },
      "limits": {
        "creations_per_hour": 0,
        "failures_per_minute": 31,
        "management_per_minute": null,
        "max_live_tokens": 7
      },
      "retention": {
        "dead_tokens_days": 0
      },
      "roles": [
        {
          "name": "guest",
          "scopes": [
            "tokens:read"
          ]
        },
        {
          "name": "chief",
          "scopes": [
            "*"
          ]
        }
      ],
      "rotation": {
        "max_grace_seconds": 90,
        "on_reuse": "revoke"
      },
      "session": {
        "idle_seconds": 3600,
        "lifetime_seconds": 43200
      },
      "token": {
        "prefix": "pat_"
      },
      "usage": {
        "bucket_seconds": 0,
        "enabled": false,
        "retention_days": 3
      }
    }
    "#);
});
