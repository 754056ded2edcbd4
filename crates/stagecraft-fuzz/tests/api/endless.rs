//! Answers that have no end, or more in them than they seem to have.

use std::net::Ipv4Addr;

use provider_digitalocean::core::CloudProvider as _;
use stagecraft_fuzz::{MEBIBYTE, measured_async};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use wiremock::matchers::any as any_request;
use wiremock::{Mock, ResponseTemplate};

use super::{LONGEST, Lab, provider, run};

/// A server that answers every request with `head`, then `body` again and again for ever.
fn endless(runtime: &Runtime, head: &'static str, body: Vec<u8>) -> String {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _asked = stream.read(&mut request).await.unwrap_or_default();
                stream.write_all(head.as_bytes()).await.ok();
                while stream.write_all(&body).await.is_ok() {}
            });
        }
    });
    url
}

#[test]
fn bodies_and_headers_without_end_are_not_read_to_their_end() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let refusal = "HTTP/1.1 422 No\r\ncontent-type: application/json\r\n\r\n{\"message\":\"";
    for (head, body) in [
        (json, "[".repeat(65536)),
        (json, " ".repeat(65536)),
        (
            json,
            "{\"tags\":[".to_owned() + &"{\"name\":\"x\"},".repeat(5000),
        ),
        (refusal, "no ".repeat(20000)),
        ("HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(10000)),
        ("HTTP/1.1 200 OK\r\nx: ", "y".repeat(65536)),
        ("", "HTTP/1.1 ".repeat(8000)),
    ] {
        let runtime = Runtime::new().unwrap();
        let url = endless(&runtime, head, body.into_bytes());
        let error = runtime.block_on(async {
            let (provider, run) = (provider(), run(&url));
            let environment = "staging".parse().unwrap();
            let hosts = measured_async(provider.hosts(&run, &environment));
            let hosts = tokio::time::timeout(LONGEST, hosts).await.unwrap();
            hosts.within(48 * MEBIBYTE).unwrap_err()
        });
        let longest = error
            .chain()
            .iter()
            .map(|message| message.chars().count())
            .max();
        assert!(longest < Some(500), "{error}");
        runtime.shutdown_background();
    }
}

/// The client does not ask for compressed answers, so none is unpacked.
#[test]
fn compressed_answers_are_not_unpacked() {
    let lab = Lab::new();
    lab.runtime.block_on(async {
        let bomb = ResponseTemplate::new(200)
            .insert_header("content-encoding", "gzip")
            .set_body_bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(1000));
        let mock = Mock::given(any_request())
            .respond_with(bomb)
            .with_priority(1);
        mock.mount(&lab.server).await;
        let run = run(&lab.server.uri());
        let error = provider()
            .hosts(&run, &"staging".parse().unwrap())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("not the JSON"), "{error}");
    });
}
