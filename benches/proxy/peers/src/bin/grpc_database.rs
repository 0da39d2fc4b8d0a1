//! A database that speaks gRPC, of constant cost: every message is made once. One thread.
//!
//!     grpc_database <port>

use std::{cell::RefCell, env, io, rc::Rc};

use bytes::Bytes;
use h2::{
    RecvStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use peers::Messages;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    task::{LocalSet, spawn_local},
};

/// More than anything here is long.
const WINDOW: u32 = 1 << 24;

type Shared = Rc<RefCell<Messages>>;

fn main() -> io::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(LocalSet::new().run_until(serve(port)))
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let messages = Shared::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let messages = messages.clone();
        // A client that leaves in the middle is nobody's fault.
        spawn_local(async move { connection(stream, messages).await.ok() });
    }
}

async fn connection(stream: TcpStream, messages: Shared) -> Result<(), h2::Error> {
    let mut settings = server::Builder::new();
    settings
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(WINDOW as usize)
        .max_concurrent_streams(1024);
    let mut connection = settings.handshake::<_, Bytes>(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        let messages = messages.clone();
        spawn_local(async move { call(request, respond, &messages).await.ok() });
    }
    Ok(())
}

/// One unary call: the whole request is read before the response.
async fn call(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    messages: &RefCell<Messages>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message.extend_from_slice(&part);
    }
    let response = messages.borrow_mut().of(head.uri.path(), &message);
    let mut opening = Response::new(());
    opening.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(opening, false)?;
    stream.send_data(response, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}
