//! That there is a page at all.

use crate::{site::Site, visit::Visit};

#[test]
fn the_page_loads_at_the_root_and_under_a_path() {
    for mount in ["", "/tokens-app"] {
        let Some(visit) = Visit::of(|| Site::with(mount, |_| {})) else { return };
        visit.open("sign-in");
        visit.see("h1");
        assert_eq!(visit.violations(), Vec::<String>::new());
    }
}
