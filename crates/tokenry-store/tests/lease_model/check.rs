//! Searches all states of a model.

use std::fmt::Write;

use stateright::{Checker, Expectation, Model};

use crate::model::{LeaseModel, Properties, rules::Rules, scope::Scope};

/// Fails if a state violates a property, or if no state is an example of one that must be possible.
pub(crate) fn assert_safe(rules: Rules, scope: Scope) {
    let model = LeaseModel { rules, scope, properties: Properties::All };
    let checker = model.checker().spawn_bfs().join();
    println!("{} states, at most {} steps", checker.unique_state_count(), checker.max_depth());
    for property in model.properties() {
        let found = checker.discovery(property.name);
        match property.expectation {
            Expectation::Sometimes => assert!(found.is_some(), "never: {}", property.name),
            Expectation::Always | Expectation::Eventually => {
                let steps = found.map(|path| listing(path.into_actions()));
                let steps = steps.map(|steps| shortest_unsafe_run(rules, scope).unwrap_or(steps));
                assert!(steps.is_none(), "not always: {}{}", property.name, steps.unwrap_or_default());
            }
        }
    }
    assert!(checker.is_done());
}

/// Fails if these rules are safe; prints the shortest run that shows that they are not.
pub(crate) fn assert_unsafe(rules: Rules, scope: Scope) {
    let run = shortest_unsafe_run(rules, scope);
    println!("{}", run.unwrap_or_else(|| panic!("{rules:?} are safe in all states of {scope:?}")));
}

/// The steps that lead to the acceptance of a revoked token.
fn shortest_unsafe_run(rules: Rules, scope: Scope) -> Option<String> {
    let model = LeaseModel { rules, scope, properties: Properties::Safe };
    let checker = model.checker().spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.discoveries().into_values().next().map(|path| listing(path.into_actions()))
}

fn listing<A: std::fmt::Display>(actions: Vec<A>) -> String {
    let mut text = String::new();
    for (number, action) in (1..).zip(actions) {
        write!(text, "\n{number:4}. {action}").unwrap();
    }
    text
}
