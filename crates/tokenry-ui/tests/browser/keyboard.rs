//! Operation without a mouse.

use thirtyfour::Key;

use crate::visit::Visit;

/// Presses Tab until the element has the focus.
#[track_caller]
fn tab_to(visit: &Visit, css: &str) {
    for _ in 0..80 {
        if visit.is_focused(css) {
            // The focus must be visible on every element.
            assert!(visit.holds("document.activeElement.matches(':focus-visible')"), "{css}");
            return;
        }
        visit.key(Key::Tab);
    }
    panic!("Tab never comes to {css}");
}

#[test]
fn a_token_can_be_created_and_copied_with_the_keyboard_alone() {
    let Some(visit) = Visit::start() else { return };
    visit.allow_clipboard();
    visit.open("sign-in");
    visit.focused("@token");
    visit.press(visit.site.root.as_str());
    visit.key(Key::Enter);
    visit.read("@name", "bootstrap");
    visit.key(Key::Tab);
    visit.focused("a.skip");
    tab_to(&visit, "@new-token");
    visit.key(Key::Enter);
    visit.focused("@field-name");
    visit.press("by keyboard");
    tab_to(&visit, "@add-resource");
    visit.press("projects:read");
    visit.key(Key::Enter);
    visit.read("@sum", "projects");
    tab_to(&visit, "@create");
    visit.key(Key::Enter);
    visit.focused("@secret-copy");
    visit.key(Key::Enter);
    visit.see("@secret-copy[data-copied=true]");
    let secret = visit.clipboard();
    assert_eq!(visit.site.get("api/v1/token", &secret)["name"], "by keyboard");
    tab_to(&visit, "@secret-done");
    visit.key(Key::Enter);
    visit.read("@token @name", "by keyboard");

    // Deactivated and revoked: the focus is never lost.
    tab_to(&visit, "@token @switch");
    visit.press(" ");
    visit.read("@toast", "by keyboard");
    tab_to(&visit, "@token @revoke");
    visit.key(Key::Enter);
    visit.focused("@answer-cancel");
    tab_to(&visit, "@answer-revoke");
    visit.key(Key::Enter);
    visit.read("@token @status", "Revoked");
    visit.wait("document.activeElement !== document.body");
    assert_eq!(visit.site.api("GET", "api/v1/token", &secret, "").0, 401);
    tab_to(&visit, "@account summary");
    visit.key(Key::Enter);
    tab_to(&visit, "@sign-out");
    visit.key(Key::Enter);
    visit.see("@token[type=password]");
}

#[test]
fn touch_targets_are_large_enough() {
    let Some(visit) = Visit::start() else { return };
    visit.resize(390, 844);
    let id = crate::screens::populate(&visit, "nightly build");
    for screen in crate::screens::SCREENS {
        screen.show(&visit, &id);
        // Radio buttons and check boxes have labels as targets; links within text may be small.
        let small = visit.eval(
            "return [...document.querySelectorAll('button, select, input, summary, a.button, nav a')].filter(e => e.checkVisibility() && !e.closest('.sr, .skip')).map(e => [e, (e.closest('label') && ['radio', 'checkbox'].includes(e.type) ? e.closest('label') : e).getBoundingClientRect()])
                .filter(([e, box]) => box.height > 0 && (box.height < 43.5 || box.width < 43.5)).map(([e, box]) => `${e.tagName} ${e.dataset.test ?? e.className} ${Math.round(box.width)}x${Math.round(box.height)}`)",
            &[],
        );
        assert_eq!(small, serde_json::json!([]), "{}", screen.name);
    }
}
