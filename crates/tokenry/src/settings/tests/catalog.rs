//! Faults of a catalog, each with its line.

use super::*;

#[test]
fn every_fault_of_a_catalog_is_reported_with_its_line() {
    const WORD: &str = "a lower-case letter, then letters, digits, `_`, `-` or `.`, at most 60 characters";
    for (file, line) in [
        ("[catalog]\nlevels = \"read\"", "[catalog] levels: must be a list of strings, such as [\"a\", \"b\"] (tokenry.toml:2)".to_owned()),
        ("[catalog]\n\nlevels = [\"Read\"]", format!("[catalog] levels: each must be {WORD} (tokenry.toml:3)")),
        ("[catalog]\nlevels = [\"a\", \"a\"]", "[catalog] levels: must not list a level twice (tokenry.toml:2)".to_owned()),
        (
            "[catalog]\ndefault_scope = []",
            "[catalog] default_scope: is not a setting; the nearest is [catalog] default_scopes (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\ndefault_scopes = [\"x:fly\"]",
            "[catalog] default_scopes: there is no scope x:fly (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\nexclusive_scopes = [\"x:fly\"]",
            "[catalog] exclusive_scopes: there is no scope x:fly (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\nexclusive_scopes = [\"x:read\", \"x:write\"]\ndefault_scopes = [\"x:read\", \"x:write\"]",
            "[catalog] default_scopes: must be exactly one of x:read, x:write (tokenry.toml:3)".to_owned(),
        ),
        (
            "[catalog]\ndenied_scopes = [\n\"admin:fly\"]",
            "[catalog] denied_scopes: there is no scope admin:fly (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\nwithheld_scopes = [\n\"admin:fly\"]",
            "[catalog] withheld_scopes: there is no scope admin:fly (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\nwithheld_scopes = 1",
            "[catalog] withheld_scopes: must be a list of strings, such as [\"a\", \"b\"] (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\nwithheld_scope = []",
            "[catalog] withheld_scope: is not a setting; the nearest is [catalog] denied_scopes (tokenry.toml:2)".to_owned(),
        ),
        (
            "[catalog]\ndenied_scopes = []\nwithheld_scopes = []",
            "[catalog] withheld_scopes: is the former name of denied_scopes, which is set too; keep denied_scopes \
             (tokenry.toml:3)".to_owned(),
        ),
        ("[catalog]\nresources = \"a\"", "[[catalog.resources]]: must be a list of tables (tokenry.toml:2)".to_owned()),
        ("[catalog]\nresources = [\n{ name = \"a\" },\n\"b\"]", "[[catalog.resources]]: must be a table (tokenry.toml:4)".to_owned()),
        ("[[catalog.resources]]\nname = \"A\"", format!("[[catalog.resources]] name: must be {WORD} (tokenry.toml:2)")),
        ("\n[[catalog.resources]]\ndescription = \"x\"", "[[catalog.resources]] name: is missing (tokenry.toml:2)".to_owned()),
        (
            "[[catalog.resources]]\nname = \"a\"\n[[catalog.resources]]\nname = \"a\"",
            "[[catalog.resources]] name: a is listed twice (tokenry.toml:4)".to_owned(),
        ),
        (
            "[[catalog.resources]]\nname = \"tokens\"\nlevels = [\"read\"]",
            "[[catalog.resources]] levels: tokens and admin always have the levels read, write and admin (tokenry.toml:3)".to_owned(),
        ),
        (
            "[[catalog.resources]]\nname = \"a\"\nlevel = [\"read\"]",
            "[[catalog.resources]] level: is not a setting; the nearest is [[catalog.resources]] levels (tokenry.toml:3)".to_owned(),
        ),
        (
            "[[catalog.resources]]\nname = \"a\"\ndescription = 1",
            "[[catalog.resources]] description: must be a quoted string (tokenry.toml:3)".to_owned(),
        ),
        ("[[catalog.groups]]\nname = \"\"", "[[catalog.groups]] name: must not be empty (tokenry.toml:2)".to_owned()),
        (
            "[[catalog.resources]]\nname = \"a\"\n[[catalog.groups]]\nname = \"g\"\nresources = [\"b\"]",
            "[[catalog.groups]] resources: there is no resource b (tokenry.toml:5)".to_owned(),
        ),
        (
            "[[catalog.roles]]\nname = \"Boss\"",
            "[[catalog.roles]] name: must be a role: a lower-case letter, then letters, digits, `_` or `-`, at most 32 \
             characters (tokenry.toml:2)".to_owned(),
        ),
        (
            "[[catalog.roles]]\nname = \"a\"\n[[catalog.roles]]\nscopes = []\nname = \"a\"",
            "[[catalog.roles]] name: a is listed twice (tokenry.toml:5)".to_owned(),
        ),
        (
            "[[catalog.roles]]\nname = \"a\"\nscopes = [\"x:fly\"]",
            "[[catalog.roles]] scopes: there is no scope x:fly (tokenry.toml:3)".to_owned(),
        ),
        ("[[catalog.routes]]\nexclude = true", "[[catalog.routes]] path: is missing (tokenry.toml:1)".to_owned()),
        (
            "[[catalog.routes]]\npath = \"/x\"\nexclude = \"yes\"",
            "[[catalog.routes]] exclude: must be true or false (tokenry.toml:3)".to_owned(),
        ),
        (
            "[[catalog.routes]]\npath = \"/x\"",
            "[[catalog.routes]] path: requires a resource, or exclude = true (tokenry.toml:2)".to_owned(),
        ),
        (
            "[[catalog.routes]]\npath = \"/x\"\nmethods = [\"get\"]\nexclude = true",
            "[[catalog.routes]] methods: must be methods in capital letters, such as GET (tokenry.toml:3)".to_owned(),
        ),
        (
            "[[catalog.resources]]\nname = \"a\"\nlevels = [\"run\"]\n[[catalog.routes]]\npath = \"/x\"\nresource = \"a\"",
            "[[catalog.routes]] level: must be set: a has no levels read and write (tokenry.toml:4)".to_owned(),
        ),
    ] {
        assert_eq!(refused(file, &[]), [line], "{file}");
    }
}

#[test]
fn all_faults_of_a_catalog_are_reported_together_with_those_of_other_keys() {
    let file = "listen = 1
[catalog]
default_scopes = [\"a:fly\"]
wrong = 1
[[catalog.resources]]
name = \"a\"
[[catalog.roles]]
name = \"user\"
scopes = [\"a:read\", \"b:read\", \"c:read\"]
[[catalog.roles]]
name = \"Boss\"
scopes = [\"a:fly\"]
[[catalog.routes]]
path = \"x\"
exclude = true
[[issuers]]
secret_file = \"issuer-secret\"
";
    let lines = refused(file, &[("TOKENRY_LIFETIME__IDLE_DAYS", "x")]);
    let numbers: Vec<_> =
        lines.iter().filter_map(|line| line.rsplit_once("tokenry.toml:")).map(|(_, end)| end).collect();
    assert_eq!(numbers, ["1)", "4)", "3)", "9)", "9)", "12)", "11)", "14)", "16)", "16)"], "{lines:#?}");
    assert_eq!(lines.len(), numbers.len() + 1);
}

#[test]
fn an_unreadable_value_causes_no_further_faults() {
    for (file, line) in [
        // Without the resource every scope of it would look unknown.
        (
            "[[catalog.resources]]\nname = 1\n[[catalog.roles]]\nname = \"user\"\nscopes = [\"a:read\"]",
            "[[catalog.resources]] name: must be a quoted string (tokenry.toml:2)",
        ),
        (
            "[catalog]\nlevels = 1\ndefault_scopes = [\"a:run\"]",
            "[catalog] levels: must be a list of strings, such as [\"a\", \"b\"] (tokenry.toml:2)",
        ),
        (
            "[[catalog.roles]]\nname = 1\n[[issuers]]\nissuer = \"i\"\naudiences = [\"a\"]\nalgorithm = \"HS256\"\n\
             secret_file = \"issuer-secret\"\ndefault_role = \"boss\"",
            "[[catalog.roles]] name: must be a quoted string (tokenry.toml:2)",
        ),
    ] {
        assert_eq!(refused(file, &[]), [line], "{file}");
    }
}

#[test]
fn the_former_name_of_denied_scopes_works_with_one_warning() {
    let admin_write = "admin:write".parse().unwrap();
    let former = "[catalog] withheld_scopes: is now called denied_scopes; rename it (tokenry.toml:2)";
    for (key, expected) in [("denied_scopes", &[][..]), ("withheld_scopes", &[former.to_owned()])] {
        let settings = good(&format!("[catalog]\n{key} = [\"admin:write\"]"), &[]);
        let of_tokens = settings.service.catalog.max_token_permissions(&tokenry_service::Role::admin());
        assert!(!of_tokens.grants(&admin_write), "{key}");
        let warnings: Vec<_> = settings.warnings.iter().map(Problem::to_string).collect();
        assert_eq!(warnings, expected);
    }
}

#[test]
fn an_empty_catalog_is_the_open_one() {
    for file in ["[catalog]", "[catalog]\nlevels = []\nroles = []"] {
        let catalog = good(file, &[]).service.catalog;
        assert!(catalog.vocabulary().is_open(), "{file}");
        assert!(catalog.has_role(&tokenry_service::Role::admin()));
    }
}
