//! [`Begun`]: a request that has been sent over a [`RawConnection`], and goes on here where its response is not one of
//! those that can be passed on as they are.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Extensions, Request};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::UpstreamError;
use super::connect::{self, Io};
use super::raw::RawConnection;
use super::socket::Socket;
use crate::traces::OpenSpan;

/// How far a request has come already. An extension of the request; whoever sends that takes it.
#[derive(Clone)]
pub struct Begun {
    start: Arc<Mutex<Option<Start>>>,
    /// Of the whole request, where that is traced and whoever goes on with it does not know so.
    span: Option<Arc<Mutex<Option<OpenSpan>>>>,
}

/// What there is of its response.
pub(super) enum Start {
    Sent(Sent),
    Failed(UpstreamError),
}

pub(super) struct Sent {
    stream: TcpStream,
    received: Vec<u8>,
    broken: Option<io::Error>,
}

impl Begun {
    /// All of it is sent, and this much of the response has come before anything broke.
    pub fn sent(connection: RawConnection, received: Vec<u8>, broken: Option<io::Error>) -> Self {
        Self::new(Start::Sent(Sent { stream: connection.into_stream(), received, broken }))
    }

    /// There is no response.
    pub fn failed(error: UpstreamError) -> Self {
        Self::new(Start::Failed(error))
    }

    fn new(start: Start) -> Self {
        Self { start: Arc::new(Mutex::new(Some(start))), span: None }
    }

    /// Nothing has come yet; it only carries a span.
    pub fn nothing() -> Self {
        Self { start: Arc::default(), span: None }
    }

    /// The same, with the request's span.
    pub fn traced(self, span: OpenSpan) -> Self {
        Self { span: Some(Arc::new(Mutex::new(Some(span)))), ..self }
    }

    /// Takes the span of a request that has one.
    pub fn span(of: &Extensions) -> Option<OpenSpan> {
        let span = of.get::<Self>()?.span.as_ref()?;
        span.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes it off a request. A repetition of the request begins anew.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Start> {
        let begun = request.extensions_mut().remove::<Self>()?;
        begun.start.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Start {
    /// A connection on which the request only seems to be written, and the response begins with what has come.
    pub(super) fn into_io(self) -> Result<Io, UpstreamError> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Sent(Sent { stream, received, broken }) => {
                let stream = MaybeHttpsStream::Http(TokioIo::new(stream));
                Ok(Socket::begun(stream, connect::acknowledge, received, broken))
            }
        }
    }
}
