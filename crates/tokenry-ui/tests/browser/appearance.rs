//! Appearance of all screens in large and small windows, both themes and both languages, with screenshots.

use serde_json::{Value, json};
use thirtyfour::BrowserLogEntry;

use crate::{
    screens::{HOSTILE, SCREENS, populate},
    visit::Visit,
};

/// Elements that overflow the window to the right, and buttons narrower than their texts.
const OUTSIDE: &str = "const width = document.documentElement.clientWidth;
    const isWide = document.documentElement.scrollWidth > width;
    const outside = [...document.querySelectorAll('body *')].filter(e => isWide && e.getBoundingClientRect().right > width + 1);
    const cut = [...document.querySelectorAll('button, a.button')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1);
    return [...outside.slice(0, 5), ...cut].map(e => `${e.tagName} ${e.dataset.test ?? e.className} ${e.innerText.slice(0, 20)}`)";

/// Opens every screen, saves a screenshot of each, and fails if one scrolls horizontally.
#[track_caller]
fn look(theme: &str, (width, height): (u32, u32), suffix: &str, name: &str) {
    let Some(visit) = Visit::start() else { return };
    visit.theme(theme);
    visit.resize(width, height);
    let id = populate(&visit, name);
    let mut wide = Vec::new();
    for screen in SCREENS {
        screen.show(&visit, &id);
        visit.settle();
        visit.picture(&format!("{}-{suffix}", screen.name));
        let outside = visit.eval(OUTSIDE, &[]);
        if outside.as_array().is_none_or(|outside| !outside.is_empty()) {
            wide.push(format!("{}: {outside}", screen.name));
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn no_screen_scrolls_horizontally_in_the_light_theme() {
    look("light", (1280, 900), "light", "nightly build");
}

#[test]
fn no_screen_scrolls_horizontally_in_the_dark_theme() {
    look("dark", (1280, 900), "dark", "nightly build");
}

#[test]
fn no_screen_scrolls_horizontally_on_a_phone() {
    look("light", (390, 844), "phone", "nightly build");
}

#[test]
fn no_screen_scrolls_horizontally_at_320_pixels_with_long_names() {
    let name = format!("{HOSTILE}{}", "w".repeat(100 - HOSTILE.chars().count()));
    look("dark", (320, 640), "narrow", &name.replace('\u{202e}', "e"));
}

#[test]
fn no_screen_scrolls_horizontally_at_twice_the_size() {
    // A window of 1280 at 200 % has 640 CSS pixels.
    look("light", (640, 450), "twice", "nightly build");
}

#[test]
fn texts_of_other_people_are_shown_as_texts() {
    let Some(visit) = Visit::start() else { return };
    let name = HOSTILE.replace('\u{202e}', "e");
    let id = populate(&visit, &name);
    let site = &visit.site;
    site.api(
        "PATCH",
        &format!("api/v1/users/{}", site.user("ann").id),
        &site.root,
        &json!({ "name": name }).to_string(),
    );
    let parts = "img, body script, iframe, object, embed, [onerror], [onload], [style*=expression]";
    for screen in SCREENS {
        screen.show(&visit, &id);
        assert_eq!(visit.count(parts), 0, "{}", screen.name);
        if ["tokens", "token", "edit", "rotate", "revoke", "inventory", "users", "audit"]
            .contains(&screen.name)
        {
            let seen = visit.eval(
                "return document.body.innerText + [...document.querySelectorAll('input, textarea')].map(e => e.value).join(' ')",
                &[],
            );
            assert!(seen.as_str().unwrap().contains(&name), "{}: {seen}", screen.name);
        }
        assert_eq!(visit.violations(), Vec::<String>::new(), "{}", screen.name);
    }
    let alert = visit.browser.attempt(visit.browser.driver().get_alert_text());
    assert_eq!(alert, None);
}

#[test]
fn no_screen_breaks_the_content_security_policy_or_writes_to_the_console() {
    let Some(visit) = Visit::start() else { return };
    let id = populate(&visit, "nightly build");
    visit.browser.log();
    for screen in SCREENS {
        screen.show(&visit, &id);
        assert_eq!(visit.eval("return window.violations", &[]), json!([]), "{}", screen.name);
        let complaints: Vec<_> = visit.browser.log().into_iter().filter(is_complaint).collect();
        assert!(complaints.is_empty(), "{}: {complaints:?}", screen.name);
    }
}

/// Whether the page caused the message. The browser itself logs every error status of the server, and hints.
fn is_complaint(entry: &BrowserLogEntry) -> bool {
    !["DEBUG", "INFO"].contains(&&*entry.level)
        && !entry.message.contains("the server responded with a status of 401")
}

#[test]
fn a_chosen_theme_is_stored_and_overrides_that_of_the_system() {
    let Some(visit) = Visit::start() else { return };
    visit.theme("light");
    visit.sign_in(&visit.site.root);
    let background = || visit.eval("return getComputedStyle(document.documentElement).backgroundColor", &[]);
    let light = background();
    visit.click("@account summary");
    visit.choose("@theme", "dark");
    visit.until("another colour", || (background() != light).then_some(()));
    visit.open("policy");
    visit.see("@policy-roles");
    assert_ne!(background(), light);
    visit.theme("dark");
    visit.click("@account summary");
    visit.choose("@theme", "light");
    visit.until("the light colour", || (background() == light).then_some(()));
    visit.choose("@theme", "system");
    visit.until("the dark colour", || (background() != light).then_some(()));
}

#[test]
fn no_layout_shifts_while_a_page_loads() {
    let Some(visit) = Visit::start() else { return };
    let id = populate(&visit, "nightly build");
    let observe = "window.shifts = []; new PerformanceObserver(list => list.getEntries().forEach(e => e.hadRecentInput || shifts.push(e.value)))
        .observe({ type: 'layout-shift', buffered: true })";
    visit.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": observe }));
    for (page, complete) in [
        ("", "@token"),
        ("create", "@create-form"),
        (&*format!("token?id={id}"), "@chart"),
        ("users", "@user"),
        ("inventory", "@list @token"),
        ("audit", "@event"),
        ("policy", "@policy-roles"),
    ] {
        visit.open(page);
        visit.see(complete);
        visit.settle();
        let shifts = visit.eval("return shifts.reduce((sum, shift) => sum + shift, 0)", &[]);
        assert!(shifts.as_f64().unwrap() < 0.1, "{page}: {shifts}");
    }
    assert_ne!(visit.eval("return typeof window.shifts", &[]), Value::Null);
}
