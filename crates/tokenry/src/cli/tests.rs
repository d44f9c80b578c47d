//! The command-line grammar.

use clap::{CommandFactory, error::ErrorKind};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn refused(line: &str) -> clap::Error {
    parse(line).err().unwrap_or_else(|| panic!("`{line}` was accepted"))
}

const ID: &str = "0190c5f0-7b3e-7c1a-9d2e-5f6a7b8c9d0e";

#[test]
fn the_grammar_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn global_options_work_before_and_after_the_command() {
    for line in [
        "tokenry serve --listen 127.0.0.1:0 --database-url sqlite://x.db --config x.toml",
        "tokenry --config x.toml --database-url sqlite://x.db serve --listen 127.0.0.1:0",
    ] {
        let flags = parse(line).unwrap().flags();
        assert_eq!(flags.listen.as_deref(), Some("127.0.0.1:0"));
        assert_eq!(flags.database_url.as_deref(), Some("sqlite://x.db"));
        assert_eq!(flags.config, Some(PathBuf::from("x.toml")));
    }
}

#[test]
fn the_page_can_be_disabled_by_a_flag() {
    assert!(!parse("tokenry serve").unwrap().flags().no_ui);
    assert!(parse("tokenry serve --no-ui").unwrap().flags().no_ui);
}

#[test]
fn every_command_is_parsed() {
    for line in [
        "tokenry token create --user alice --name ci",
        "tokenry token create --user alice --name ci --description d --scope a:read --scope b:write --expires 30d \
         --not-before 2026-01-01 --allow-ip 10.0.0.0/8 --allow-ip ::1 --metadata {\"a\":1} --quiet --output json",
        "tokenry token create --user alice --name ci --metadata -",
        "tokenry token list",
        "tokenry token list --user alice --status revoked --search ci --scope a:read --sort -expires_at --limit 200",
        "tokenry token list --sort name --all",
        &format!("tokenry token show {ID}"),
        &format!(
            "tokenry token update {ID} --name n --description d --no-scopes --expires never --any-ip --inactive"
        ),
        &format!("tokenry token update {ID} --scope a:read --allow-ip ::1 --metadata - --active"),
        &format!("tokenry token rotate {ID}"),
        &format!("tokenry token rotate {ID} --grace 10m --expires never --idempotency-key job-7 --quiet"),
        &format!("tokenry token revoke {ID} {ID} --reason lost --yes"),
        "tokenry token list --risk never_used --user alice --all",
        "tokenry user add alice --name Alice --role admin",
        "tokenry user list --output name",
        "tokenry user list --search ali",
        "tokenry user show alice",
        "tokenry user update alice --name Alice --role admin --subject alice@example.com",
        "tokenry user revoke-tokens alice --reason lost --yes",
        "tokenry user delete alice -y",
        "tokenry audit list",
        &format!(
            "tokenry audit list --kind auth.token.rotated --user alice --token {ID} --from 2026-01-01 \
             --to 2026-02-01T00:00:00Z --limit 7"
        ),
        "tokenry audit list --all --output name",
        "tokenry audit verify",
        "tokenry policy check --proposed new.toml",
        "tokenry cleanup",
        "tokenry doctor --output json",
        "tokenry user disable alice",
        "tokenry user enable alice",
        "tokenry check",
        "tokenry check -",
        "tokenry verify -",
        "tokenry verify - --scope a:read --scope b:write --ip ::1 --output json",
        "tokenry inspect -",
        "tokenry revoke - --reason leaked --quiet",
        "tokenry scan .",
        "tokenry scan src - .env --respect-gitignore --status --output name",
        "tokenry patterns",
        "tokenry patterns --format detect-secrets",
        "tokenry import tokens.jsonl --source shop --shape sanctum --create-users --dry-run",
        "tokenry import - --source git --map-scope repo=a:read,a:write --map-scope user= --skip-refused",
        "tokenry export",
        "tokenry export --format csv",
        "tokenry migrate run",
        "tokenry migrate revert --yes",
        "tokenry migrate status",
        "tokenry openapi",
        "tokenry completions zsh",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).err().unwrap());
    }
}

#[test]
fn wrong_lines_are_usage_errors() {
    for (line, kind) in [
        ("tokenry serv", ErrorKind::InvalidSubcommand),
        ("tokenry token list --listen x", ErrorKind::UnknownArgument),
        ("tokenry token create --name ci", ErrorKind::MissingRequiredArgument),
        ("tokenry token create --user alice", ErrorKind::MissingRequiredArgument),
        ("tokenry token create --user alice --name ci --scope Read", ErrorKind::ValueValidation),
        ("tokenry token create --user alice --name ci --expires tomorrow", ErrorKind::ValueValidation),
        ("tokenry token create --user alice --name ci --allow-ip localhost", ErrorKind::ValueValidation),
        ("tokenry token create --user alice --name ci --metadata []", ErrorKind::ValueValidation),
        ("tokenry token list --status dead", ErrorKind::InvalidValue),
        ("tokenry token list --sort secret_hash", ErrorKind::ValueValidation),
        ("tokenry token list --limit 0", ErrorKind::ValueValidation),
        ("tokenry token list --limit 201", ErrorKind::ValueValidation),
        ("tokenry token list --limit 5 --all", ErrorKind::ArgumentConflict),
        ("tokenry import tokens.jsonl", ErrorKind::MissingRequiredArgument),
        ("tokenry import tokens.jsonl --source a --shape nobody", ErrorKind::ValueValidation),
        ("tokenry import tokens.jsonl --source a --map-scope repo", ErrorKind::ValueValidation),
        ("tokenry export --format xml", ErrorKind::InvalidValue),
        (&format!("tokenry token update {ID}"), ErrorKind::MissingRequiredArgument),
        (&format!("tokenry token update {ID} --scope a:read --no-scopes"), ErrorKind::ArgumentConflict),
        (&format!("tokenry token update {ID} --allow-ip ::1 --any-ip"), ErrorKind::ArgumentConflict),
        (&format!("tokenry token update {ID} --active --inactive"), ErrorKind::ArgumentConflict),
        ("tokenry token list --risk old", ErrorKind::InvalidValue),
        ("tokenry token rotate", ErrorKind::MissingRequiredArgument),
        (&format!("tokenry token rotate {ID} {ID}"), ErrorKind::UnknownArgument),
        (&format!("tokenry token rotate {ID} --grace soon"), ErrorKind::ValueValidation),
        (&format!("tokenry token rotate {ID} --grace never"), ErrorKind::ValueValidation),
        (&format!("tokenry token rotate {ID} --idempotency-key ключ"), ErrorKind::ValueValidation),
        ("tokenry token revoke", ErrorKind::MissingRequiredArgument),
        ("tokenry user update alice", ErrorKind::MissingRequiredArgument),
        ("tokenry user update --subject alice", ErrorKind::MissingRequiredArgument),
        ("tokenry user delete", ErrorKind::MissingRequiredArgument),
        ("tokenry user delete alice bob", ErrorKind::UnknownArgument),
        ("tokenry audit list --kind auth.token", ErrorKind::InvalidValue),
        ("tokenry audit list --from 30d", ErrorKind::ValueValidation),
        ("tokenry audit list --limit 5 --all", ErrorKind::ArgumentConflict),
        ("tokenry policy check", ErrorKind::MissingRequiredArgument),
        ("tokenry policy check new.toml", ErrorKind::UnknownArgument),
        ("tokenry scan", ErrorKind::MissingRequiredArgument),
        ("tokenry patterns --format yara", ErrorKind::InvalidValue),
        ("tokenry patterns gitleaks", ErrorKind::UnknownArgument),
        ("tokenry verify - --ip localhost", ErrorKind::ValueValidation),
        ("tokenry cleanup now", ErrorKind::UnknownArgument),
        ("tokenry user add alice --role Admin", ErrorKind::ValueValidation),
        ("tokenry token list --output xml", ErrorKind::InvalidValue),
    ] {
        let error = refused(line);
        assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}");
    }
}

#[test]
fn a_token_given_instead_of_an_id_is_not_quoted() {
    for line in [
        "tokenry token show pat_hunter2",
        "tokenry token revoke pat_hunter2",
        "tokenry token update pat_hunter2",
        "tokenry token rotate pat_hunter2",
        "tokenry audit list --token pat_hunter2",
    ] {
        let text = refused(line).to_string();
        assert!(text.contains("must be a UUID") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn every_command_has_one_sentence_of_help() {
    fn visit(command: &clap::Command) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.contains('\n'), "{}: {about}", command.get_name());
        for argument in command
            .get_arguments()
            .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        command.get_subcommands().for_each(visit);
    }
    visit(&Cli::command());
}

#[test]
fn help_lists_commands_and_examples() {
    insta::assert_snapshot!(Cli::command().term_width(100).render_help(), @r"
    Issues, manages and verifies personal access tokens

    Usage: tokenry [OPTIONS] <COMMAND>

    Commands:
      serve        Serve HTTP requests until stopped
      token        Create, show, update, rotate and revoke tokens
      user         Add, show, update, disable and delete the owners of tokens
      audit        Read the audit log and verify its integrity
      policy       Check other settings against the existing tokens
      profile      List, show and check profiles: the settings of known products
      init         Write a commented settings file, of a profile or with the defaults
      cleanup      Record expired tokens in the audit log and delete tokens past their retention
      doctor       Check settings, database and audit log, and suggest how to fix faults
      import       Import tokens of another system, which keep working
      export       Write all tokens without secrets, in the format of `import`
      check        Check the format and the checksum of a token; a database is not necessary
      verify       Verify a token from standard input against the database
      inspect      Show the token of a secret from standard input, its owner and its state
      revoke       Revoke the token of a secret from standard input
      scan         Find tokens of this instance in files, and print where without their secrets
      patterns     Print the patterns of this instance's tokens for scanners of leaked secrets
      nodes        List the processes that decide from memory, and how current they are (PostgreSQL)
      migrate      Migrate the tables of the database
      openapi      Print the OpenAPI description of the HTTP API
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --config <FILE>        Read settings from this file instead of ./tokenry.toml [env:
                                 TOKENRY_CONFIG]
          --profile <NAME|FILE>  Settings of a known product, by the name of a profile or the path of
                                 its file [env: TOKENRY_PROFILE]
          --database-url <URL>   URL of the database [env: TOKENRY_DATABASE_URL, else DATABASE_URL]
                                 [default: sqlite://tokenry.db]
          --output <FORMAT>      Output format; `name` prints what other commands take as arguments
                                 [default: table] [possible values: table, json, name]
      -q, --quiet                Print only the requested output

    Examples:
      tokenry serve
      tokenry user add alice
      tokenry token create --user alice --name ci --scope projects:read --expires 30d
      tokenry token list --user alice --status active
    ");
}

#[test]
fn long_help_explains_settings_and_exit_statuses() {
    let help = Cli::command().render_long_help().to_string();
    for text in [
        "TOKENRY_LIMITS__MAX_LIVE_TOKENS",
        "TOKENRY_LOG",
        "5 a check failed",
        "xargs tokenry token revoke",
        "--proposed new.toml",
    ] {
        assert!(help.contains(text), "{text}");
    }
}
