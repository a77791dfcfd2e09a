//! Events over WebSocket (RFC 6455), subprotocol `raincheck.v1`: the same envelopes, each a text frame.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use raincheck_core::{Event, limits::PIECE_BYTES};
use raincheck_engine::WaitEstimate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error::{self, Capacity, Protocol, Utf8};
use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::line;
use super::slots::Slot;
use super::{Note, Opened, Source, envelope, handshake, joined};
use crate::app::App;
use crate::problem::Problem;
use crate::wire::{Form, Json, write_note};

const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that answers no ping for this long is gone.
const SILENCE_MOST: Duration = Duration::from_secs(65);
/// A client that does not take a frame within this time is too slow.
const SEND_MOST: Duration = Duration::from_secs(10);
/// A client that was told why it ends closes its side within this time, or is not waited for.
const LINGER: Duration = Duration::from_secs(2);
/// What is left of the time of a drain for a client to hear of it.
const LINGER_DRAINING: Duration = Duration::from_secs(1);
/// Bytes that wait for a slow client, besides the socket's own buffer.
const BUFFER_BYTES: usize = 256 << 10;
/// Largest message from a client; it has nothing to say.
const MESSAGE_BYTES: usize = 4 << 10;

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
const TRY_LATER: u16 = 1013;
const TOO_SLOW: u16 = 4408;
const LOST: u16 = 4410;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Why a connection ends: code and reason of the close frame.
type Why = (u16, &'static str);

/// Switches protocols and sends events until the last one.
pub fn upgrade(app: &App, opened: Opened, request: Request) -> Result<Response, Problem> {
    let (answer, upgrade) = handshake::accept(request)?;
    let (app, slot, open) = (app.clone(), app.stream_slot(), app.sockets.token());
    tokio::spawn(async move {
        serve(&app, opened, slot, upgrade).await;
        drop(open);
    });
    Ok(answer)
}

async fn serve(app: &App, opened: Opened, slot: Option<Slot>, upgrade: OnUpgrade) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => TokioIo::new(upgraded),
        Err(error) => return tracing::debug!(%error, "a connection ended before it was a WebSocket"),
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .write_buffer_size(0)
        .max_write_buffer_size(BUFFER_BYTES);
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
    let why = match slot {
        Some(_) => run(app, opened, &mut socket).await,
        None => Some((TRY_LATER, "too many streams")),
    };
    // A slow client gets some more time to take what waits for it and to learn why; then the connection just ends.
    let last = timeout(SEND_MOST, close(&mut socket, why));
    match app.engine.is_draining() {
        true => drop(timeout(LINGER_DRAINING, last).await),
        false => drop(last.await),
    }
}

/// Says why, or echoes the client's close, and waits until the client has closed its side. What it has sent meanwhile is read: the
/// system would break the connection for what nobody reads, and the client would not learn why it ended.
async fn close(socket: &mut Socket, why: Option<Why>) {
    match why {
        // That it cannot be sent says that the client has gone.
        Some((code, reason)) => {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            drop(socket.send(Message::Close(Some(frame))).await);
        }
        // Who reads on echoes the client's close frame.
        None => while socket.next().await.is_some() {},
    }
    let stream = socket.get_mut();
    let gone = async {
        stream.shutdown().await?;
        let mut rest = [0; 4 << 10];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(LINGER, gone).await {
        tracing::debug!(%error, "a WebSocket broke while it was closed");
    }
}

/// Sends until there is a reason to close, and answers it; nothing where the client has closed or is gone.
async fn run(app: &App, opened: Opened, socket: &mut Socket) -> Option<Why> {
    let Opened { mut source, form, note, mut over, mut line } = opened;
    if let Some(note) = note
        && let Err(code) = send(socket, note_text(&note)).await
    {
        return Some(code);
    }
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    while !over {
        tokio::select! {
            event = source.next() => match event {
                Ok(Some(event)) => {
                    over = source.ends_with(&event);
                    line.iter_mut().for_each(|line| line.heard(&event));
                    if let Err(code) = tell(app, socket, source.form(form), event).await {
                        return Some(code);
                    }
                }
                Ok(None) if app.engine.is_draining() => return Some((GOING_AWAY, "the server is shutting down")),
                Ok(None) if matches!(source, Source::Feed(_)) => {
                    return Some((LOST, "some of these events are gone: begin again with after=0"));
                }
                Ok(None) => return Some((NORMAL, "done")),
                Err(_) => return Some((TRY_LATER, "the store does not answer")),
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return Some((POLICY, "nothing is expected from you")),
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(error)) => return failed(error),
                Some(Ok(_)) => heard = Instant::now(),
            },
            place = line::changed(&mut line, &app.engine) => match place {
                Ok((seq, place)) => if let Err(code) = send(socket, place_text(seq, &place)).await {
                    return Some(code);
                },
                Err(_) => return Some((TRY_LATER, "the store does not answer")),
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MOST {
                    return Some((TOO_SLOW, "no answer to pings"));
                }
                if !matches!(timeout(SEND_MOST, socket.send(Message::Ping(Default::default()))).await, Ok(Ok(()))) {
                    return Some((TOO_SLOW, "too slow"));
                }
            }
        }
    }
    Some((NORMAL, "done"))
}

/// How a client that does not speak the protocol is shown out (RFC 6455 section 7.4.1); nothing where it is gone.
fn failed(error: Error) -> Option<Why> {
    match error {
        Protocol(ResetWithoutClosingHandshake) => None,
        Protocol(_) => Some((PROTOCOL_ERROR, "this is not WebSocket")),
        Utf8(_) => Some((NOT_UTF8, "text must be UTF-8")),
        Capacity(_) => Some((TOO_BIG, "nothing so long is expected from you")),
        _ => None,
    }
}

/// Sends an event. A large one is held by no more sockets than there is room for: who waits for it reads it again.
async fn tell(app: &App, socket: &mut Socket, form: Form, event: Arc<Event>) -> Result<(), Why> {
    let (at, weight) = (event.cursor, event.weight());
    if weight <= PIECE_BYTES {
        return send_event(app, socket, form, &event).await;
    }
    drop(event);
    // Others keep their room no longer than this, either.
    let _room = timeout(SEND_MOST, app.room.socket(weight)).await.map_err(|_| (TRY_LATER, "no room"))?;
    match app.engine.event(at).await {
        Ok(Some(event)) => send_event(app, socket, form, &event).await,
        Ok(None) => Err((LOST, "the event is gone: begin again with after=0")),
        Err(_) => Err((TRY_LATER, "the store does not answer")),
    }
}

async fn send_event(app: &App, socket: &mut Socket, form: Form, event: &Event) -> Result<(), Why> {
    let result = joined(&app.engine, form, event).await.map_err(|_| (TRY_LATER, "the store does not answer"))?;
    send(socket, envelope(app, form, event, result.as_deref())).await
}

async fn send(socket: &mut Socket, text: Vec<u8>) -> Result<(), Why> {
    // Written by our own serializer from text, so it is UTF-8.
    let text = String::from_utf8(text).map_err(|_| (TRY_LATER, "not text"))?;
    match timeout(SEND_MOST, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err((TOO_SLOW, "too slow")),
    }
}

fn note_text(note: &Note) -> Vec<u8> {
    let mut out = Json::with_capacity(note.data.len() + 48);
    write_note(&mut out, note.name, note.seq, |out| {
        out.raw(&note.data);
    });
    out.into_vec()
}

fn place_text(seq: u32, place: &WaitEstimate) -> Vec<u8> {
    let mut out = Json::with_capacity(128);
    write_note(&mut out, line::NAME, seq, |out| line::write(out, place));
    out.into_vec()
}
