//! A database of constant cost: every response is made once and written as it is. One thread, one write per response.
//!
//!     database <port>

use std::{cell::RefCell, env, io, rc::Rc};

use peers::{Answers, PIECES, head, pieces};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    task::{LocalSet, spawn_local},
};

fn main() -> io::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(LocalSet::new().run_until(serve(port)))
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let responses = Rc::new(RefCell::new(Answers::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let responses = responses.clone();
        // A client that leaves in the middle is nobody's fault.
        spawn_local(async move { connection(stream, &responses).await.ok() });
    }
}

async fn connection(mut stream: TcpStream, responses: &RefCell<Answers>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some(head) = head(&buffer) else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let (whole, in_pieces) = (head.length + head.body, head.target == PIECES);
        let response = responses.borrow_mut().of(head.target);
        while buffer.len() < whole {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        buffer.drain(..whole);
        if !in_pieces {
            stream.write_all(&response).await?;
            continue;
        }
        // As Qdrant writes what it compresses: the second piece waits until the first is acknowledged.
        stream.set_nodelay(false)?;
        for piece in pieces() {
            stream.write_all(piece.as_bytes()).await?;
        }
    }
}
