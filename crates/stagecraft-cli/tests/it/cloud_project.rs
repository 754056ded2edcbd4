//! The provider's projects: a host that exists is put into another one by a plan that says so.

use crate::support::contract::Contract;
use crate::support::{Lab, TOKEN, quick};
use serde_json::{Value, json};

const UP: [&str; 4] = ["infra", "up", "--yes", "--no-bootstrap"];
const PLAN: [&str; 3] = ["infra", "plan", "--detailed-exitcode"];

async fn call(lab: &Lab, method: reqwest::Method, path: &str, body: &Value) -> Value {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = format!("{}{path}", lab.variables["DIGITALOCEAN_API_URL"]);
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a client");
    let request = client.request(method, url).bearer_auth(TOKEN);
    let request = request.header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await;
    let text = answer.expect("an answer").text().await.expect("a text");
    serde_json::from_str(&text).expect("JSON")
}

async fn create_project(lab: &Lab, name: &str) -> String {
    let body = json!({"name": name, "purpose": "x"});
    let answer = call(lab, reqwest::Method::POST, "/v2/projects", &body).await;
    answer["project"]["id"].as_str().expect("an id").to_owned()
}

async fn members(lab: &Lab, project: &str) -> usize {
    let path = format!("/v2/projects/{project}/resources");
    let answer = call(lab, reqwest::Method::GET, &path, &Value::Null).await;
    answer["resources"].as_array().expect("resources").len()
}

fn assignments(lab: &Lab) -> usize {
    let requests = lab.control().requests();
    let is_one = |request: &&stagecraft_sandbox::RecordedRequest| {
        request.method == "POST" && request.target.ends_with("/resources")
    };
    requests.iter().filter(is_one).count()
}

/// Hosts that exist, and a file that declares one of them in another project.
async fn moved() -> (Lab, String) {
    let lab = Lab::api_only(quick()).await;
    let other = create_project(&lab, "other").await;
    lab.run(&UP).await.expect_code(0);
    lab.edit("size: s-4vcpu-8gb", "size: s-4vcpu-8gb, project: other");
    lab.control().clear_requests();
    (lab, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn project_of_a_host_that_exists_is_planned_and_then_written() {
    let (lab, other) = moved().await;
    let plan = lab.run(&PLAN).await;
    let text = &plan.expect_code(20).stdout;
    assert!(text.contains("put into project other"), "{text}");
    assert!(text.contains("1 host to put into a project"), "{text}");
    assert!(!text.contains("to tag"), "{text}");
    let json = lab.run(&["infra", "plan", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.expect_code(0).stdout).expect("JSON");
    assert_eq!(json["plan"]["retag"][0]["name"], "db-1");
    assert_eq!(json["plan"]["retag"][0]["cloud_project"], "other");

    let up = lab.run(&[&UP[..], &["-o", "json"]].concat()).await;
    let lines = Contract::of(&lab).await.lines(up.expect_code(0));
    let result = lines.last().expect("a result");
    assert_eq!(result["retagged"][0]["name"], "db-1");
    assert_eq!(members(&lab, &other).await, 1);
    lab.run(&PLAN).await.expect_code(0);
    lab.run(&UP).await.expect_code(0);
    assert_eq!(assignments(&lab), 1, "nothing is written twice");
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saved_plan_is_stale_once_the_file_names_another_project() {
    let (lab, other) = moved().await;
    let third = create_project(&lab, "third").await;
    let up = ["infra", "up", "--plan", "db.plan", "--no-bootstrap"];
    let save = ["infra", "plan", "--out", "db.plan"];
    lab.run(&save).await.expect_code(0);
    lab.edit("project: other", "project: third");
    let refused = lab.run(&up).await;
    let stderr = &refused.expect_code(6).stderr;
    let told = "`db-1` would now be put into project third, the plan puts it into other";
    assert!(stderr.contains(told), "{stderr}");

    lab.edit("project: third", "project: other");
    lab.run(&up).await.expect_code(0);
    lab.run(&save).await.expect_code(0);
    lab.edit("project: other", "project: third");
    let refused = lab.run(&up).await;
    let stderr = &refused.expect_code(6).stderr;
    let told = "`db-1` would now be put into project third, the plan leaves it where it is";
    assert!(stderr.contains(told), "{stderr}");
    assert_eq!(members(&lab, &other).await, 1);
    assert_eq!(members(&lab, &third).await, 0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn project_that_does_not_exist_is_told_for_a_host_that_exists() {
    let (lab, _) = moved().await;
    lab.edit("project: other", "project: nowhere");
    let refused = lab.run(&UP).await;
    let stderr = &refused.expect_code(2).stderr;
    assert!(stderr.contains("project `nowhere` does not"), "{stderr}");
    assert_eq!(assignments(&lab), 0);
    lab.shutdown().await;
}
