//! `rerankd drain`, and a server in a process of its own that it tells.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::{FakeDatabase, Folder, Process, Wire, ask, run};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn server(database: &FakeDatabase) -> Process {
    let yaml = format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nlisteners: [{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}]\n",
        database.addr
    );
    Process::of(&Folder::new(&yaml), &[]).await
}

#[tokio::test]
async fn a_server_that_is_told_lets_its_clients_go_and_says_so_once() {
    let database = FakeDatabase::answering(OK).await;
    let mut process = server(&database).await;
    let (listening, number) = (process.listening[0], process.number().to_string());
    let (since, mut client) = (Instant::now(), Wire::connect(listening).await);
    client.send(GET).await;
    assert_eq!(client.message().await.unwrap(), OK);
    for nth in 0..2 {
        let told = run(&["drain", "--pid", &number], &[]).await;
        assert_eq!((told.status.code(), told.stderr.as_str()), (Some(0), ""));
        assert_eq!(told.stdout, format!("process {number} drains\n"));
        if nth > 0 {
            continue;
        }
        process.said("draining").await;
        let (begun, mut new) = (Instant::now(), Wire::connect(listening).await);
        for (client, since) in [(&mut client, since), (&mut new, begun)] {
            client.try_send(GET).await;
            let response = client.rest().await;
            // Where the machine is busy it may have been idle for as long as it may.
            let is_idle = response.is_empty() && since.elapsed() >= Duration::from_secs(2);
            let is_last = response.contains("\r\nconnection: close\r\n") && response.ends_with("ok");
            assert!(is_last || is_idle, "{response}");
        }
    }
    assert!(ask(process.admin, "/readyz").await.contains("not ready: draining\n"));
    let ended = process.stop().await;
    assert!(ended.status.code() == Some(0) && ended.stderr.contains("\"stopped"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("\"draining").count(), 1, "{}", ended.stderr);
}

#[tokio::test]
async fn the_server_is_found_among_all_processes_by_the_program_that_it_runs() {
    let database = FakeDatabase::answering(OK).await;
    let folder = tempfile::tempdir().unwrap();
    // Under a name of its own: other tests have servers too, and so have other runs of this one.
    let program = folder.path().join(format!("rerankd-{}", std::process::id()));
    // By another process: one that this one starts meanwhile would hold the file open for writing, and it could not be run.
    let copied = tokio::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_rerankd")).arg(&program).status();
    assert!(copied.await.unwrap().success());
    let drain = async || {
        let command = tokio::process::Command::new(&program).arg("drain").env_clear().output().await;
        let ended = command.unwrap();
        (ended.status.code(), String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
    };
    let (code, said) = drain().await;
    assert!(code == Some(1) && said.contains("no process here runs `rerankd serve`"), "{said}");
    let serve = || {
        let mut command = tokio::process::Command::new(&program);
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--upstream", &format!("http://{}", database.addr), "--log-format", "json"]);
        command.env_clear().stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    };
    let mut one = Process::watched(serve()).await;
    assert_eq!(drain().await, (Some(0), format!("process {} drains\n", one.number())));
    one.said("draining").await;
    let two = Process::watched(serve()).await;
    let (code, said) = drain().await;
    let mut both = [one.number(), two.number()];
    both.sort_unstable();
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("processes {}, {}: name one with --pid", both[0], both[1])), "{said}");
}

#[tokio::test]
async fn a_process_that_the_signal_would_end_is_not_told_and_the_wait_is_kept() {
    let mut other = tokio::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
    let number = other.id().unwrap().to_string();
    let told = run(&["drain", "--pid", &number], &[]).await;
    assert_eq!(told.status.code(), Some(1));
    assert!(told.stderr.contains("is no server that knows this"), "{}", told.stderr);
    assert!(other.try_wait().unwrap().is_none(), "it runs on");

    let database = FakeDatabase::answering(OK).await;
    let process = server(&database).await;
    let begun = Instant::now();
    let told = run(&["drain", "--pid", &process.number().to_string(), "--wait", "300ms"], &[]).await;
    assert_eq!(told.status.code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}
