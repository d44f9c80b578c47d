//! Every route × caller: the status of each response, and that a rejected caller changes nothing.

use tokenry_actix::{
    HttpSettings, ROUTES, RouteInfo, RouteName, TokensApi,
    tokenry::{
        Catalog, Lifetime, NewToken, ProtectedResource, Rotation, Settings, Token, User, UserChanges, UserId,
        catalog::{Definition, RouteDefinition},
    },
};
use tokenry_testkit::{TestDatabase, each_backend};

use crate::{
    api::{Api, Response, from_page, named, request},
    jwt,
    oidc::fake::{self, FakeProvider},
};

/// The kinds of callers, in the order of the columns of [`expectation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// No credential.
    None,
    /// A token of alice that may only read tokens.
    ReadToken,
    /// A token of alice that may change tokens.
    WriteToken,
    /// A token of alice with all permissions of her role, `user`.
    FullToken,
    /// The retired secret of a full token of alice, within its grace period.
    RetiredToken,
    /// The retired secret of a full token of an administrator, within its grace period.
    RetiredAdminToken,
    /// A token with every scope of a former administrator, who is a user now.
    ExAdminToken,
    /// A full token of an administrator.
    AdminToken,
    /// A token of an administrator with administration scopes only.
    AdminOnlyToken,
    /// alice, by JWT.
    UserJwt,
    /// An administrator whose JWT has the role `user`.
    WeakJwt,
    /// An administrator, by JWT.
    AdminJwt,
    /// A full token of a disabled user.
    DisabledToken,
    /// A disabled user, by JWT.
    DisabledJwt,
    /// A full token of another user.
    OtherToken,
    /// alice, by a session that was started with a full token.
    TokenSession,
    /// alice, by a session that was started with a JWT.
    JwtSession,
    /// The cookie of such a session, sent by a page of another origin.
    ForeignSession,
}

const CALLERS: [By; 18] = [
    By::None,
    By::ReadToken,
    By::WriteToken,
    By::FullToken,
    By::RetiredToken,
    By::RetiredAdminToken,
    By::ExAdminToken,
    By::AdminToken,
    By::AdminOnlyToken,
    By::UserJwt,
    By::WeakJwt,
    By::AdminJwt,
    By::DisabledToken,
    By::DisabledJwt,
    By::OtherToken,
    By::TokenSession,
    By::JwtSession,
    By::ForeignSession,
];

/// What `{id}` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Nothing,
    /// Nothing; the query requires a scope.
    Asked,
    /// A token of alice.
    Token,
    /// A user that is not among the callers.
    User,
    /// The provider of the tests.
    Provider,
}

/// The request to a route, and the expected statuses.
struct Row {
    body: &'static str,
    target: Target,
    /// The status for each of [`CALLERS`].
    statuses: [u16; 18],
}

const fn row(body: &'static str, target: Target, statuses: [u16; 18]) -> Row {
    Row { body, target, statuses }
}

use Target::{Asked, Nothing, Provider, Token as OwnToken, User as AUser};

const PUBLIC: [u16; 18] = [200; 18];
const QUESTION: &str =
    r#"{"subject":{"type":"token","id":"x"},"action":{"name":"read"},"resource":{"type":"a","id":"1"}}"#;
/// Only tokens that may read tokens.
const FORWARD: [u16; 18] =
    //  none read write full ret  retAdm exAdm admin only userJ weak admJ disab disJ other patS jwtS foreign
    [401, 200, 200, 200, 200, 200, 200, 200, 403, 401, 401, 401, 401, 401, 200, 401, 401, 401];
/// Only administrators, who get `$ok`.
macro_rules! admin {
    ($ok:literal) => {
        //  none read write full ret  retAdm exAdm admin only userJ weak admJ disab disJ other patS jwtS foreign
        [401, 403, 403, 403, 403, 403, 403, $ok, $ok, 403, 403, $ok, 401, 401, 403, 403, 403, 403]
    };
}

/// The expectation for a route. A route without one does not compile.
#[rustfmt::skip]
const fn expectation(route: RouteName) -> Row {
    match route {
        RouteName::ShowHealth => row("", Nothing, PUBLIC),
        RouteName::ShowReadiness => row("", Nothing, PUBLIC),
        RouteName::ShowMetrics => row("", Nothing, admin!(200)),
        RouteName::ShowOpenapi => row("", Nothing, PUBLIC),
        RouteName::ShowSession => row("", Nothing,
                  [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403]),
        RouteName::StartSession => row("", Nothing,
                  [401, 201, 201, 201, 403, 403, 201, 201, 403, 201, 201, 201, 401, 401, 201, 401, 401, 403]),
        RouteName::EndSession => row("", Nothing,
                  [204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 204, 403]),
        // The provider decides who signs in, whatever else the request presents.
        RouteName::BeginProviderSignIn => row("", Provider,
                  [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 403]),
        RouteName::FinishProviderSignIn => row("", Provider, [303; 18]),
        //         none read write full ret retAdm exAdm admin only userJ weak admJ disab disJ other patS jwtS foreign
        RouteName::ShowMe => row("", Nothing,
                  [401, 200, 200, 200, 403, 403, 200, 200, 200, 200, 200, 200, 401, 401, 200, 200, 200, 403]),
        RouteName::ShowScopes => row("", Nothing,
                  [401, 200, 200, 200, 403, 403, 200, 200, 200, 200, 200, 200, 401, 401, 200, 200, 200, 403]),
        RouteName::ShowPolicy => row("", Nothing,
                  [401, 200, 200, 200, 403, 403, 200, 200, 200, 200, 200, 200, 401, 401, 200, 200, 200, 403]),
        RouteName::ShowOwnToken => row("", Nothing,
                  [401, 200, 200, 200, 200, 200, 200, 200, 200, 403, 403, 403, 401, 401, 200, 403, 403, 403]),
        RouteName::RevokeOwnToken => row("", Nothing,
                  [401, 204, 204, 204, 204, 204, 204, 204, 204, 403, 403, 403, 401, 401, 204, 403, 403, 403]),
        RouteName::ListTokens => row("", Nothing,
                  [401, 200, 200, 200, 403, 403, 200, 200, 403, 200, 200, 200, 401, 401, 200, 200, 200, 403]),
        RouteName::CreateToken => row(r#"{"name":"new"}"#, Nothing,
                  [401, 403, 201, 201, 403, 403, 201, 201, 403, 201, 201, 201, 401, 401, 201, 201, 201, 403]),
        RouteName::ShowToken => row("", OwnToken,
                  [401, 200, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::UpdateToken => row(r#"{"name":"new"}"#, OwnToken,
                  [401, 403, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::RevokeToken => row("", OwnToken,
                  [401, 403, 204, 204, 403, 403, 404, 404, 403, 204, 404, 404, 401, 401, 404, 204, 204, 403]),
        RouteName::RotateToken => row("", OwnToken,
                  [401, 403, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::ShowUsage => row("", OwnToken,
                  [401, 200, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::ShowUsageSummary => row("", OwnToken,
                  [401, 200, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::ListTokenEvents => row("", OwnToken,
                  [401, 200, 200, 200, 403, 403, 404, 404, 403, 200, 404, 404, 401, 401, 404, 200, 200, 403]),
        RouteName::ListUsers => row("", Nothing, admin!(200)),
        RouteName::CreateUser => row(r#"{"subject":"new"}"#, Nothing, admin!(201)),
        RouteName::ShowUser => row("", AUser, admin!(200)),
        RouteName::UpdateUser => row(r#"{"name":"new"}"#, AUser, admin!(200)),
        RouteName::DeleteUser => row("", AUser, admin!(204)),
        RouteName::ListUserTokens => row("", AUser, admin!(200)),
        RouteName::RevokeUserTokens => row("", AUser, admin!(200)),
        RouteName::ListAllTokens => row("", Nothing, admin!(200)),
        RouteName::CleanUp => row("", Nothing, admin!(200)),
        RouteName::ListNodes => row("", Nothing, admin!(200)),
        RouteName::ListEvents => row("", Nothing, admin!(200)),
        RouteName::CheckChain => row("", Nothing, admin!(200)),
        RouteName::VerifyToken => row(r#"{"token":"x"}"#, Nothing,
                  [401, 403, 403, 403, 403, 403, 403, 200, 403, 401, 401, 401, 401, 401, 403, 401, 401, 401]),
        RouteName::EvaluateAccess | RouteName::EvaluateAccesses => row(QUESTION, Nothing,
                  [401, 403, 403, 403, 403, 403, 403, 200, 403, 401, 401, 401, 401, 401, 403, 401, 401, 401]),
        RouteName::IntrospectToken => row("token=x", Nothing,
                  [401, 403, 403, 403, 403, 403, 403, 200, 403, 401, 401, 401, 401, 401, 403, 401, 401, 401]),
        RouteName::ReportLeaks => row("[]", Nothing, [202; 18]),
        RouteName::ShowPatterns => row("", Nothing, PUBLIC),
        RouteName::RevokePresented => row("token=x", Nothing, PUBLIC),
        RouteName::ShowOauthMetadata => row("", Nothing, PUBLIC),
        RouteName::ShowAuthzenMetadata => row("", Nothing, PUBLIC),
        RouteName::ShowResource => row("", Nothing, PUBLIC),
        RouteName::ShowResourceAtPath => row("", Nothing, PUBLIC),
        RouteName::AskByNginx => row("", Asked, FORWARD),
        RouteName::AskByTraefik => row("", Asked, FORWARD),
        RouteName::AskByCaddy => row("", Asked, FORWARD),
        RouteName::AskByEnvoy => row("", Asked, FORWARD),
        RouteName::AskByEnvoyPath => row("", Nothing, FORWARD),
    }
}

/// One cell of the matrix, with its own users and tokens.
struct Cell<'a> {
    api: &'a Api,
    number: usize,
    alice: User,
    victim: User,
}

impl<'a> Cell<'a> {
    fn new(api: &'a Api, number: usize) -> Self {
        let (alice, victim) = (api.user(&format!("alice{number}")), api.user(&format!("victim{number}")));
        let cell = Self { api, number, alice, victim };
        cell.token(&cell.victim, &["a:read"]);
        cell
    }

    fn subject(&self, name: &str) -> String {
        format!("{name}{}", self.number)
    }

    fn with_role(&self, name: &str, role: &str) -> User {
        let user = self.api.user(&self.subject(name));
        self.api
            .tokenry
            .update_user(
                &self.api.operator(),
                user.id,
                UserChanges::default().with_role(role.parse::<tokenry_actix::tokenry::Role>().unwrap()),
            )
            .unwrap()
    }

    fn token(&self, owner: &User, scopes: &[&str]) -> (Token, String) {
        let scopes = Some(scopes.iter().map(ToString::to_string).collect());
        let new = NewToken::new("t").with_scopes(scopes);
        let issued = self.api.tokenry.issue_token(&self.api.operator(), owner.id, new).unwrap();
        (issued.token, issued.secret.reveal_once().to_string())
    }

    /// The retired secret of a rotated full token.
    fn retired(&self, owner: &User) -> String {
        let (token, text) = self.token(owner, &["*"]);
        let rotation = Rotation::default().with_grace(Lifetime::seconds(600));
        self.api.tokenry.rotate_token(&self.api.operator(), token.id, rotation).unwrap();
        text
    }

    /// A credential of the caller, created last so that it does not expire before its targets.
    fn credential(&self, by: By) -> String {
        let (tokenry, operator) = (&self.api.tokenry, self.api.operator());
        let change = |id: UserId, changes| tokenry.update_user(&operator, id, changes).unwrap();
        match by {
            By::None => String::new(),
            By::ReadToken => self.token(&self.alice, &["tokens:read"]).1,
            By::WriteToken => self.token(&self.alice, &["tokens:write"]).1,
            By::FullToken => self.token(&self.alice, &["*"]).1,
            By::RetiredToken => self.retired(&self.alice),
            By::RetiredAdminToken => self.retired(&self.with_role("retired", "admin")),
            By::ExAdminToken => {
                let user = self.with_role("former", "admin");
                let (_, text) = self.token(&user, &["*", "admin:admin", "tokens:admin", "introspect"]);
                change(
                    user.id,
                    UserChanges::default().with_role("user".parse::<tokenry_actix::tokenry::Role>().unwrap()),
                );
                text
            }
            By::AdminToken => self.token(&self.with_role("root", "admin"), &["*"]).1,
            By::AdminOnlyToken => self.token(&self.with_role("root", "admin"), &["admin:write"]).1,
            By::WeakJwt => jwt::of(self.with_role("weak", "admin").subject.as_str(), "user"),
            By::UserJwt => jwt::of(self.alice.subject.as_str(), "user"),
            By::AdminJwt => jwt::of(&self.subject("chief"), "admin"),
            By::DisabledToken => {
                let user = self.with_role("gone", "admin");
                let (_, text) = self.token(&user, &["*"]);
                change(user.id, UserChanges::default().with_disabled(true));
                text
            }
            By::DisabledJwt => {
                let user = self.with_role("away", "admin");
                change(user.id, UserChanges::default().with_disabled(true));
                jwt::of(user.subject.as_str(), "admin")
            }
            By::OtherToken => self.token(&self.api.user(&self.subject("bob")), &["*"]).1,
            By::TokenSession | By::ForeignSession => self.api.sign_in(&self.token(&self.alice, &["*"]).1),
            By::JwtSession => self.api.sign_in(&jwt::of(self.alice.subject.as_str(), "user")),
        }
    }

    fn ask(&self, route: &RouteInfo, row: &Row, by: By, credential: &str, id: &str) -> Response {
        let body = row.body.replace("\"new\"}", &format!("\"new{}\"}}", self.number));
        // Behind Envoy, the routes of the catalog decide about /tokens; the protected resource has the same path.
        let path = route.path.replace("{id}", id).replace("{path}", "tokens");
        let path = if row.target == Asked { format!("{path}?scope=tokens:read") } else { path };
        let method = if route.method == "ANY" { "POST" } else { route.method };
        let is_session = matches!(by, By::TokenSession | By::JwtSession | By::ForeignSession);
        let bearer = if is_session { "" } else { credential };
        let mut request = from_page(request(method, &path, bearer)).insert_header(("x-request-id", "same"));
        request = request.insert_header(("x-forwarded-proto", "https"));
        if is_session {
            request = request.insert_header(("cookie", named(credential)));
        }
        if by == By::ForeignSession {
            request = request.insert_header(("origin", "https://evil.test"));
        }
        if !body.is_empty() {
            let is_json = body.starts_with(['{', '[']);
            let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            request = request.insert_header(("content-type", kind)).set_payload(body);
        }
        self.api.send(request)
    }

    fn run(&self, route: &RouteInfo, row: &Row, by: By, expected: u16) {
        let (target, _) = self.token(&self.alice, &[]);
        let credential = self.credential(by);
        let random = "01900000-0000-7000-8000-0000deadbeef";
        let id = match row.target {
            Target::Nothing | Target::Asked => String::new(),
            Target::Provider => fake::ID.to_owned(),
            Target::Token => target.id.to_string(),
            Target::User => self.victim.id.to_string(),
        };
        let missing = (!matches!(row.target, Nothing | Asked | Provider))
            .then(|| self.ask(route, row, by, &credential, random));
        let response = self.ask(route, row, by, &credential, &id);
        let cell = format!("{} {} by {by:?}", route.method, route.path);
        assert_eq!(response.status, expected, "{cell}: {}", response.body);
        let code = match (by, expected) {
            (_, 200..=299 | 303) => "",
            (By::None | By::TokenSession | By::JwtSession | By::ForeignSession, 401) => {
                "authentication_required"
            }
            (By::ForeignSession, 403) => "forbidden",
            // Where only tokens are accepted, a JWT is an invalid token.
            (By::UserJwt | By::WeakJwt | By::AdminJwt | By::DisabledJwt, 401) if row.statuses[11] == 401 => {
                "invalid_token"
            }
            (By::DisabledToken | By::DisabledJwt, 401) => "user_disabled",
            (By::UserJwt | By::WeakJwt | By::AdminJwt | By::TokenSession | By::JwtSession, 403)
                if route.path == "/api/v1/token" =>
            {
                "forbidden"
            }
            (By::RetiredToken | By::RetiredAdminToken, 403) => "forbidden",
            (_, 403) => "insufficient_scope",
            (_, 404) => "not_found",
            _ => panic!("{cell}: unexpected status"),
        };
        if !code.is_empty() {
            response.is_rejection(route.path, expected, code);
            let (now, victim) = (self.api.operator(), self.victim.id);
            assert_eq!(
                self.api.tokenry.find_token(&now, target.id).unwrap().0,
                target,
                "{cell} changed the token"
            );
            assert_eq!(
                self.api.tokenry.find_user(&now, victim).unwrap(),
                self.victim,
                "{cell} changed the user"
            );
        }
        // SECURITY: a caller that gets 404 cannot distinguish an existing token from a missing one.
        if let (404, Some(missing)) = (expected, missing) {
            assert_eq!(everything(&response), everything(&missing), "{cell}");
        }
    }
}

/// Status, headers and body of a response.
fn everything(response: &Response) -> (u16, Vec<(String, String)>, String) {
    let headers =
        response.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    (response.status, headers, response.body.clone())
}

fn column(db: &TestDatabase, by: By) {
    let route = RouteDefinition::new("/tokens")
        .with_resource(Some("tokens".to_owned()))
        .with_level(Some("read".to_owned()));
    let catalog = Catalog::define(&Definition::default().with_routes(vec![route])).unwrap();
    let tokens_api = TokensApi { put_updates: true, ..TokensApi::default() };
    let resource = ProtectedResource::new("https://mcp.test/tokens", ["https://id.test"], []).unwrap();
    let http = HttpSettings::default()
        .with_tokens_api(tokens_api)
        .with_trusted_proxies(fake::proxy())
        .with_protected_resource(resource);
    let provider = FakeProvider::new();
    let api = Api::with(
        db,
        |settings: &mut Settings| {
            settings.catalog = catalog;
            settings.oidc = Some(fake::settings(&[(fake::ID, &provider)]));
        },
        http,
    );
    let index = CALLERS.iter().position(|caller| *caller == by).unwrap();
    for (number, route) in ROUTES.iter().copied().chain(put()).enumerate() {
        let row = expectation(route.name);
        Cell::new(&api, number).run(&route, &row, by, row.statuses[index]);
    }
}

/// The route that an app has besides [`ROUTES`] where PUT updates a token: whoever may not PATCH may not PUT.
fn put() -> impl Iterator<Item = RouteInfo> {
    let update = ROUTES.iter().copied().filter(|route| route.name == RouteName::UpdateToken);
    update.map(|mut route| {
        route.method = "PUT";
        route
    })
}

each_backend!(every_route_answers_an_anonymous_caller_as_the_matrix_says, |db| {
    column(db, By::None);
});
each_backend!(every_route_answers_a_reading_token_as_the_matrix_says, |db| {
    column(db, By::ReadToken);
});
each_backend!(every_route_answers_a_writing_token_as_the_matrix_says, |db| {
    column(db, By::WriteToken);
});
each_backend!(every_route_answers_a_full_token_as_the_matrix_says, |db| {
    column(db, By::FullToken);
});
each_backend!(every_route_answers_a_retired_secret_as_the_matrix_says, |db| {
    column(db, By::RetiredToken);
});
each_backend!(every_route_answers_the_token_of_a_former_admin_as_the_matrix_says, |db| {
    column(db, By::ExAdminToken);
});
each_backend!(every_route_answers_the_token_of_an_admin_as_the_matrix_says, |db| {
    column(db, By::AdminToken);
});
each_backend!(every_route_answers_a_user_by_jwt_as_the_matrix_says, |db| {
    column(db, By::UserJwt);
});
each_backend!(every_route_answers_an_admin_by_jwt_as_the_matrix_says, |db| {
    column(db, By::AdminJwt);
});
each_backend!(every_route_answers_the_token_of_a_disabled_user_as_the_matrix_says, |db| {
    column(db, By::DisabledToken);
});
each_backend!(every_route_answers_a_disabled_user_by_jwt_as_the_matrix_says, |db| {
    column(db, By::DisabledJwt);
});
each_backend!(every_route_answers_a_retired_secret_of_an_admin_as_the_matrix_says, |db| {
    column(db, By::RetiredAdminToken);
});
each_backend!(every_route_answers_a_token_that_only_administers_as_the_matrix_says, |db| {
    column(db, By::AdminOnlyToken);
});
each_backend!(every_route_answers_a_jwt_below_the_stored_role_as_the_matrix_says, |db| {
    column(db, By::WeakJwt);
});
each_backend!(every_route_answers_another_users_token_as_the_matrix_says, |db| {
    column(db, By::OtherToken);
});
each_backend!(every_route_answers_a_session_of_a_token_as_the_matrix_says, |db| {
    column(db, By::TokenSession);
});
each_backend!(every_route_answers_a_session_of_a_jwt_as_the_matrix_says, |db| {
    column(db, By::JwtSession);
});
each_backend!(every_route_answers_a_session_of_another_origin_as_the_matrix_says, |db| {
    column(db, By::ForeignSession);
});
