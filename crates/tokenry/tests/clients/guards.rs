//! The guards of `clients/python` and `clients/node`.

use tokenry_testkit::each_backend;

use crate::{
    cases::{assert_fails_closed, assert_guard},
    guard::Framework,
};

each_backend!(a_guard_of_fastapi_admits_only_live_tokens_with_the_scope, |db| {
    assert_guard(Framework::FastApi, db);
});

each_backend!(a_guard_of_django_admits_only_live_tokens_with_the_scope, |db| {
    assert_guard(Framework::Django, db);
});

each_backend!(a_guard_of_express_admits_only_live_tokens_with_the_scope, |db| {
    assert_guard(Framework::Express, db);
});

#[test]
fn a_guard_of_fastapi_admits_nobody_without_a_verdict() {
    assert_fails_closed(Framework::FastApi);
}

#[test]
fn a_guard_of_django_admits_nobody_without_a_verdict() {
    assert_fails_closed(Framework::Django);
}

#[test]
fn a_guard_of_express_admits_nobody_without_a_verdict() {
    assert_fails_closed(Framework::Express);
}
