use super::*;

fn run_with(name: &str, value: &str) -> Run {
    let lookup = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    Run::new(Arc::new(NoEvents), Arc::new(lookup))
}

fn token() -> SecretSource {
    SecretSource::Variable("TOKEN".to_owned())
}

#[test]
fn concealed_text_is_blotted_out_unless_it_is_too_short() {
    let run = run_with("TOKEN", "x");
    run.conceal("user data of db-1", "#!/bin/sh\nPASSWORD=hunter2\n");
    run.conceal("user data of db-2", "#!/bin/sh");
    let text = "sent: #!/bin/sh\nPASSWORD=hunter2, or #!/bin/sh";
    assert_eq!(run.redact(text), "sent: ***, or #!/bin/sh");
}

#[tokio::test]
async fn secret_is_trimmed_and_blotted_out_of_texts() {
    let run = run_with("TOKEN", "s3cret\n");
    assert_eq!(run.redact("a s3cret b"), "a s3cret b");
    let secret = run.secret(&token()).await.unwrap().unwrap();
    assert_eq!(secret.expose_secret(), "s3cret");
    assert_eq!(run.redact("a s3cret b"), "a *** b");
}

#[tokio::test]
async fn blank_secret_counts_as_missing() {
    let blank = run_with("TOKEN", " \n");
    assert!(blank.secret(&token()).await.unwrap().is_none());
    assert!(Run::default().secret(&token()).await.unwrap().is_none());
}

#[tokio::test]
async fn file_is_read_once_in_a_run() {
    #[derive(Debug, Default)]
    struct Counting(std::sync::atomic::AtomicUsize);

    #[async_trait]
    impl Lookup for Counting {
        fn get(&self, _: &str) -> Option<String> {
            None
        }

        async fn read(&self, _: &SecretSource) -> Result<String> {
            let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(format!("secret-{count}\n"))
        }
    }
    let run = Run::new(Arc::new(NoEvents), Arc::new(Counting::default()));
    let file = SecretSource::File("token.txt".into());
    let (first, second) = tokio::join!(run.secret(&file), run.secret(&file));
    let third = run.secret(&file).await;
    for secret in [first, second, third] {
        assert_eq!(secret.unwrap().unwrap().expose_secret(), "secret-0");
    }
    assert_eq!(run.redact("secret-0"), "***");
}

#[tokio::test]
async fn reading_a_secret_ends_when_the_run_is_cancelled() {
    #[derive(Debug)]
    struct Never;

    #[async_trait]
    impl Lookup for Never {
        fn get(&self, _: &str) -> Option<String> {
            None
        }

        async fn read(&self, _: &SecretSource) -> Result<String> {
            std::future::pending().await
        }
    }
    let run = Run::new(Arc::new(NoEvents), Arc::new(Never));
    let file = SecretSource::File("token.txt".into());
    let cancel = async { run.cancellation().cancel() };
    let (read, ()) = tokio::join!(run.secret(&file), cancel);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// A lease whose renewal never returns.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl WriteGuard for Stuck {
    async fn check(&self) -> Result<()> {
        std::future::pending().await
    }

    fn is_fresh(&self) -> bool {
        false
    }

    fn lost(&self) -> Option<Error> {
        None
    }

    fn run_id(&self) -> &'static str {
        "0000000000000000"
    }
}

#[tokio::test(start_paused = true)]
async fn write_that_waits_for_the_lease_ends_when_the_run_is_cancelled() {
    let run = Run::default().guarded(Arc::new(Stuck));
    assert!(!run.may_write());
    let cancel = async { run.cancellation().cancel() };
    let both = async { tokio::join!(run.before_write(), cancel).0 };
    let ended = tokio::time::timeout(Duration::from_mins(1), both).await;
    let error = ended.expect("it ends at once").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn program_without_files_says_so() {
    let file = SecretSource::File("token.txt".into());
    let error = Run::default().secret(&file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "this program does not read secrets from file token.txt"
    );
}

#[tokio::test(start_paused = true)]
async fn poll_names_what_it_waited_for_at_the_deadline() {
    let policy = PollPolicy {
        interval: Duration::from_secs(5),
        deadline: Duration::from_secs(65),
    };
    let mut looks = 0;
    let error = Run::default()
        .poll::<(), _, _>(policy, None, "the host to boot", || {
            looks += 1;
            async { Ok(None) }
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "waited 1m 5s for the host to boot");
    assert_eq!(looks, 14);
}

#[tokio::test(start_paused = true)]
async fn poll_stops_at_once_when_cancelled() {
    let run = Run::default();
    run.cancellation().cancel();
    let policy = PollPolicy {
        interval: Duration::from_secs(5),
        deadline: Duration::from_mins(1),
    };
    let error = run
        .poll::<(), _, _>(policy, None, "x", || async { Ok(None) })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
