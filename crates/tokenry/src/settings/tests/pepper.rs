//! Sources of peppers and their faults.

use super::*;

#[test]
fn peppers_come_from_files_or_from_one_variable() {
    let ids = |settings: &Settings| {
        settings.service.hash.peppers.iter().map(|p| p.id().to_owned()).collect::<Vec<_>>()
    };
    let files = "[token]\nhash = \"hmac-sha256\"\npepper_files = [\"pepper\", \"old-pepper\"]";
    assert_eq!(ids(&good(files, &[])), ["k1", "k0"]);
    let both = format!("{PEPPER}, k0:{}A", "_-".repeat(21));
    assert_eq!(ids(&good("", &[("TOKENRY_TOKEN__PEPPER", &both)])), ["k1", "k0"]);
    let form = "must be key-id:base64 of at least 32 random bytes (openssl rand -base64 32)";
    for (file, variable, line) in [
        ("pepper_files = [\"short-pepper\"]", "", format!("[token] pepper_files: short-pepper {form} (tokenry.toml:2)")),
        (
            "pepper_files = [\"long-pepper\"]",
            "",
            "[token] pepper_files: long-pepper must be one line of at most 1024 bytes (tokenry.toml:2)".to_owned(),
        ),
        (
            "pepper_files = [\"missing\"]",
            "",
            "[token] pepper_files: missing cannot be read: No such file or directory (os error 2) (tokenry.toml:2)"
                .to_owned(),
        ),
        (
            "pepper_files = [\"a\", \"b\", \"c\"]",
            "",
            "[token] pepper_files: must name at most 2 files (tokenry.toml:2)".to_owned(),
        ),
        (
            "pepper_files = [\"pepper\", \"pepper\"]",
            "",
            "[token] pepper_files: must have different key ids (tokenry.toml:2)".to_owned(),
        ),
        ("", "k1:hunter2", format!("[token] pepper: {form} (TOKENRY_TOKEN__PEPPER)")),
        (
            "pepper_files = [\"pepper\"]",
            PEPPER,
            "[token] pepper: is set together with pepper_files; keep one of them (TOKENRY_TOKEN__PEPPER)".to_owned(),
        ),
    ] {
        let variables: Vec<_> = Some(("TOKENRY_TOKEN__PEPPER", variable)).filter(|(_, v)| !v.is_empty()).into_iter().collect();
        assert_eq!(refused(&format!("[token]\n{file}"), &variables), [line]);
    }
}
