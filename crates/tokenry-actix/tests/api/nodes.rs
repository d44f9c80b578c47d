//! The list of nodes for administrators.

use serde_json::json;
use tokenry_testkit::each_backend;

use crate::api::Api;

each_backend!(administrators_see_the_nodes_and_what_each_has_acknowledged, |db| {
    let api = Api::new(db);
    let shown = api.call("GET", "/api/v1/admin/nodes", &api.root).json();
    if db.folder().is_some() {
        assert_eq!(shown, json!({"change_seq": null, "data": []}));
    } else {
        let [node] = &shown["data"].as_array().unwrap()[..] else { panic!("{shown}") };
        assert_eq!((&node["state"], &node["lease_ms"]), (&json!("current"), &json!(2000)));
        assert!(node["acked_seq"].as_i64() >= shown["change_seq"].as_i64(), "{shown}");
        let process = format!(" pid {}", std::process::id());
        assert!(node["address"].as_str().unwrap().ends_with(&process), "{node}");
    }
    api.call("GET", "/api/v1/admin/nodes?x=1", &api.root).is_problem(422, "validation_failed");
});
