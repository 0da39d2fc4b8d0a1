//! A client that sees every frame.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{framed, headers};

/// A client's connection.
#[derive(Clone)]
pub struct GrpcClient {
    sender: h2::client::SendRequest<Bytes>,
}

/// What a client gets for a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub frames: Vec<Bytes>,
    /// `None` where the head has ended the stream, or it was reset.
    pub trailers: Option<HeaderMap>,
    pub reset: Option<Reason>,
}

impl Got {
    pub fn message(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// The status of gRPC's, wherever it is.
    pub fn code(&self) -> &str {
        let of = |headers: &HeaderMap| headers.get("grpc-status").cloned();
        let code = self.trailers.as_ref().and_then(of).or_else(|| of(&self.headers));
        match code {
            Some(code) => Box::leak(code.to_str().unwrap().to_owned().into_boxed_str()),
            None => panic!("no status: {self:?}"),
        }
    }

    /// A failure of the proxy's own: trailers alone, with this status; gives the message.
    pub fn own_failure(&self, code: &str) -> String {
        assert_eq!((self.status, self.code()), (200, code), "{self:?}");
        assert!(self.frames.is_empty() && self.trailers.is_none() && self.reset.is_none(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/grpc");
        let message = self.headers["grpc-message"].to_str().unwrap();
        assert!(message.starts_with("rerankd: "), "{message}");
        message.to_owned()
    }
}

impl GrpcClient {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::with(addr, |_| {}).await
    }

    pub async fn with(addr: SocketAddr, edit: impl FnOnce(&mut h2::client::Builder)) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, edit).await
    }

    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        edit: impl FnOnce(&mut h2::client::Builder),
    ) -> Self {
        let mut http = h2::client::Builder::new();
        edit(&mut http);
        let (sender, connection) = http.handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Begins a call, its body still open.
    pub async fn begin(&self, path: &str, more: &[(&'static str, &'static str)]) -> OpenCall {
        let mut request = Request::post(format!("http://client.example{path}")).body(()).unwrap();
        *request.headers_mut() = headers(&[("content-type", "application/grpc"), ("te", "trailers")]);
        for (name, value) in &headers(more) {
            request.headers_mut().insert(name, value.clone());
        }
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, sending) = sender.send_request(request, false).unwrap();
        OpenCall { response: Some(response), sending, body: None }
    }

    /// A whole call of one message, in one DATA frame with END_STREAM.
    pub async fn call(&self, path: &str, message: impl AsRef<[u8]>) -> Got {
        self.call_with(path, &[], framed(0, message)).await
    }

    /// The same with more metadata, and a message that has its prefix.
    pub async fn call_with(&self, path: &str, more: &[(&'static str, &'static str)], bytes: Bytes) -> Got {
        let mut call = self.begin(path, more).await;
        call.send(bytes, true);
        call.got().await
    }
}

/// A call whose body is open.
pub struct OpenCall {
    response: Option<h2::client::ResponseFuture>,
    sending: h2::SendStream<Bytes>,
    body: Option<RecvStream>,
}

impl OpenCall {
    pub fn send(&mut self, bytes: impl Into<Bytes>, last: bool) {
        self.sending.send_data(bytes.into(), last).unwrap();
    }

    /// The head of the response.
    pub async fn head(&mut self) -> Result<Response<()>, h2::Error> {
        let (parts, body) = guarded(self.response.take().unwrap()).await?.into_parts();
        self.body = Some(body);
        Ok(Response::from_parts(parts, ()))
    }

    /// The next DATA frame.
    pub async fn next(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let body = self.body.as_mut().unwrap();
        let data = guarded(body.data()).await;
        if let Some(Ok(data)) = &data {
            body.flow_control().release_capacity(data.len()).ok();
        }
        data
    }

    /// What is behind the last DATA frame.
    pub async fn trailers(&mut self) -> Option<HeaderMap> {
        guarded(self.body.as_mut().unwrap().trailers()).await.unwrap()
    }

    /// Takes no more part in it: RST_STREAM(CANCEL).
    pub fn cancel(mut self) {
        self.sending.send_reset(Reason::CANCEL);
    }

    /// All of the response.
    pub async fn got(mut self) -> Got {
        let mut got = Got::default();
        match self.head().await {
            Ok(head) => {
                got.status = head.status().as_u16();
                got.headers = head.headers().clone();
            }
            Err(error) => {
                got.reset = Some(error.reason().unwrap_or_else(|| panic!("{error}")));
                return got;
            }
        }
        while let Some(data) = self.next().await {
            match data {
                Ok(data) => got.frames.push(data),
                Err(error) => {
                    got.reset = Some(error.reason().unwrap_or_else(|| panic!("{error}")));
                    return got;
                }
            }
        }
        got.trailers = self.trailers().await;
        got
    }
}

async fn guarded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("nothing came")
}
