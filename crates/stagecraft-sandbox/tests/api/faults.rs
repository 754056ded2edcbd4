//! Faults of every kind, as a real client meets them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use reqwest::Method;
use stagecraft_sandbox::{DropletState, Fault, FaultKind, Knobs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Cloud, order};

async fn cloud(fault: Fault) -> Cloud {
    let cloud = Cloud::new(Knobs::instant()).await;
    cloud.sandbox.control().add_fault(fault);
    cloud
}

fn droplets(cloud: &Cloud) -> usize {
    cloud.sandbox.control().droplets().len()
}

#[tokio::test]
async fn a_status_before_means_nothing_was_done() {
    let cloud = cloud(Fault::status("POST", "/v2/droplets", 500)).await;
    let reply = cloud.post("/v2/droplets", order("web-1")).await;
    assert_eq!(
        (reply.status, reply.json()["id"].as_str()),
        (500, Some("server_error"))
    );
    assert_eq!(droplets(&cloud), 0);
    assert_eq!(cloud.post("/v2/droplets", order("web-1")).await.status, 202);
}

#[tokio::test]
async fn a_status_after_means_it_was_done() {
    let cloud = cloud(Fault::status("POST", "/v2/droplets", 500).after()).await;
    assert_eq!(cloud.post("/v2/droplets", order("web-1")).await.status, 500);
    assert_eq!(droplets(&cloud), 1);
}

#[tokio::test]
async fn a_status_has_the_body_and_headers_it_was_given() {
    let headers = BTreeMap::from([("retry-after".to_owned(), "7".to_owned())]);
    let body = Some(r#"{"id":"Too Many Requests"}"#.to_owned());
    let kind = FaultKind::Status {
        code: 429,
        body: body.clone(),
        headers,
    };
    let cloud = cloud(Fault::new("GET", "/v2/account$", kind)).await;
    let reply = cloud.get("/v2/account").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
    assert_eq!(Some(reply.text), body);
}

#[tokio::test]
async fn a_gateway_answers_html() {
    let cloud = cloud(Fault::new("GET", "/v2/", FaultKind::Html { code: 502 })).await;
    let reply = cloud.get("/v2/droplets").await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (502, "text/html")
    );
    assert!(reply.text.starts_with("<html>"));
    assert!(!reply.header("ratelimit-limit").is_empty());
}

#[tokio::test]
async fn a_reset_is_a_transport_error_and_no_answer() {
    for after in [false, true] {
        let fault = Fault::new("POST", "/v2/droplets", FaultKind::Reset);
        let cloud = cloud(if after { fault.after() } else { fault }).await;
        // A connection that was used before, as clients reuse theirs.
        cloud.get("/v2/account").await;
        let sent = cloud
            .try_send(Method::POST, "/v2/droplets", Some(order("web-1")))
            .await;
        let error = sent.err().expect("there is no answer");
        assert!(error.is_request() && error.status().is_none(), "{error:?}");
        assert_eq!(droplets(&cloud), usize::from(after));
        let requests = cloud.sandbox.control().requests();
        assert_eq!(
            requests.len(),
            2,
            "the client must not have repeated it: {requests:?}"
        );
        assert_eq!(requests[1].status, None);
        assert_eq!(cloud.get("/v2/account").await.status, 200);
    }
}

#[tokio::test]
async fn a_reset_connection_carries_not_one_byte() {
    let cloud = cloud(Fault::new("GET", "/v2/account", FaultKind::Reset)).await;
    let address = cloud.sandbox.url().replace("http://", "");
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /v2/account HTTP/1.1\r\nhost: {address}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    let error = read.expect("the connection ends").unwrap_err();
    assert_eq!(
        (error.kind(), answer.len()),
        (ErrorKind::ConnectionReset, 0)
    );
}

#[tokio::test]
async fn a_truncated_answer_has_headers_and_half_a_body() {
    for after in [false, true] {
        let fault = Fault::new("POST", "/v2/droplets", FaultKind::Truncated);
        let cloud = cloud(if after { fault.after() } else { fault }).await;
        let url = format!("{}/v2/droplets", cloud.sandbox.url());
        let request = cloud.client.post(url).bearer_auth(cloud.sandbox.token());
        let response = request.json(&order("web-1")).send().await.unwrap();
        assert_eq!(response.status().as_u16(), if after { 202 } else { 200 });
        assert!(response.content_length().unwrap() > 20);
        let error = response.bytes().await.unwrap_err();
        assert!(
            error.is_body() || error.is_decode() || error.is_request(),
            "{error:?}"
        );
        assert_eq!(droplets(&cloud), usize::from(after));
        assert_eq!(cloud.get("/v2/account").await.status, 200);
    }
}

#[tokio::test]
async fn a_hang_is_longer_than_the_client_waits() {
    for after in [false, true] {
        let fault = Fault::new("POST", "/v2/droplets", FaultKind::Hang { ms: 600_000 });
        let cloud = cloud(if after { fault.after() } else { fault }).await;
        let url = format!("{}/v2/droplets", cloud.sandbox.url());
        let request = cloud.client.post(url).bearer_auth(cloud.sandbox.token());
        let request = request
            .timeout(Duration::from_millis(300))
            .json(&order("web-1"));
        assert!(request.send().await.unwrap_err().is_timeout());
        assert_eq!(droplets(&cloud), usize::from(after));
        cloud.sandbox.shutdown().await;
    }
}

#[tokio::test]
async fn a_short_hang_only_takes_time() {
    let cloud = cloud(Fault::new("GET", "/v2/", FaultKind::Hang { ms: 200 })).await;
    let start = Instant::now();
    assert_eq!(cloud.get("/v2/account").await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn skip_and_times_pick_the_requests() {
    let cloud = cloud(
        Fault::status("GET", "/v2/droplets?*page=2*", 503)
            .skip(1)
            .times(1),
    )
    .await;
    let mut statuses = Vec::new();
    for path in ["?page=2", "?page=1", "?page=2", "?page=2"] {
        statuses.push(cloud.get(&format!("/v2/droplets{path}")).await.status);
    }
    assert_eq!(statuses, [200, 200, 503, 200]);
}

#[tokio::test]
async fn cleared_faults_do_nothing() {
    let cloud = cloud(Fault::status("GET", "/v2/", 500).times(9)).await;
    cloud.get("/v2/account").await;
    assert_eq!(cloud.sandbox.control().faults()[0].times, 8);
    cloud.sandbox.control().clear_faults();
    assert_eq!(cloud.get("/v2/account").await.status, 200);
}

#[tokio::test]
async fn a_lost_delete_was_carried_out() {
    let cloud = Cloud::new(Knobs::instant()).await;
    let id = cloud.create("web-1", &[]).await;
    let path = format!("/v2/droplets/{id}");
    cloud
        .sandbox
        .control()
        .add_fault(Fault::new("DELETE", &path, FaultKind::Reset).after());
    assert!(cloud.try_send(Method::DELETE, &path, None).await.is_err());
    cloud.until(&path, |reply| reply.status == 404).await;
    assert_eq!(
        cloud.sandbox.control().droplets()[0].state,
        DropletState::Deleted
    );
}
