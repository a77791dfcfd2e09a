//! Events over WebSocket (RFC 6455), subprotocol `raincheck.v1`: the same envelopes, each a text frame.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use raincheck_core::{Event, limits::PIECE_BYTES};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tungstenite::Error::{Capacity, Protocol, Utf8};
use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;

use super::slots::Slot;
use super::{Note, Opened, Source, envelope, joined};
use crate::app::App;
use crate::problem::{self, Problem};
use crate::wire::{Form, Json, write_note};

const PROTOCOL: &str = "raincheck.v1";
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that answers no ping for this long is gone.
const SILENCE_MOST: Duration = Duration::from_secs(65);
/// A client that does not take a frame within this time is too slow.
const SEND_MOST: Duration = Duration::from_secs(10);
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

/// Switches protocols and sends events until the last one.
pub async fn upgrade(app: &App, opened: Opened, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    check(&parts.headers)?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, app)
        .await
        .map_err(|refused| Problem::bad(format!("this is no WebSocket handshake: {refused}")))?;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(BUFFER_BYTES);
    let (app, slot) = (app.clone(), app.streams.take());
    let open = app.sockets.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        serve(&app, opened, slot, socket).await;
        drop(open);
    }))
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let websocket = headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !websocket || !version {
        let refused = Problem::new(problem::UPGRADE_REQUIRED).detail("WebSocket version 13 is spoken here");
        let refused = refused.header(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Err(refused.header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let any = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if any && !offered.any(|protocol| protocol.trim() == PROTOCOL) {
        return Err(Problem::bad("the subprotocol here is raincheck.v1"));
    }
    Ok(())
}

async fn serve(app: &App, opened: Opened, slot: Option<Slot>, mut socket: WebSocket) {
    let why = match slot {
        Some(_) => run(app, opened, &mut socket).await,
        None => Some((TRY_LATER, "too many streams")),
    };
    let last = async {
        match why {
            // That it cannot be sent says that the client has gone.
            Some((code, reason)) => {
                drop(socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await)
            }
            // Who reads on echoes the client's close frame.
            None => while socket.recv().await.is_some() {},
        }
    };
    // A slow client gets some more time to take what waits for it and to learn why; then the connection just ends.
    let most = if app.engine.is_draining() { Duration::from_secs(1) } else { SEND_MOST };
    let _ = timeout(most, last).await;
}

/// Sends until there is a reason to close, and answers it; nothing where the client has closed or is gone.
async fn run(app: &App, opened: Opened, socket: &mut WebSocket) -> Option<(u16, &'static str)> {
    let Opened { mut source, form, note, mut over } = opened;
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
            message = socket.recv() => match message {
                Some(Ok(Message::Text(_) | Message::Binary(_))) => return Some((POLICY, "nothing is expected from you")),
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(error)) => return failed(error),
                Some(Ok(_)) => heard = Instant::now(),
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
fn failed(error: axum::Error) -> Option<(u16, &'static str)> {
    match *error.into_inner().downcast().ok()? {
        Protocol(ResetWithoutClosingHandshake) => None,
        Protocol(_) => Some((PROTOCOL_ERROR, "this is not WebSocket")),
        Utf8(_) => Some((NOT_UTF8, "text must be UTF-8")),
        Capacity(_) => Some((TOO_BIG, "nothing so long is expected from you")),
        _ => None,
    }
}

/// Sends an event. A large one is held by no more sockets than there is room for: who waits for it reads it again.
async fn tell(app: &App, socket: &mut WebSocket, form: Form, event: Arc<Event>) -> Result<(), (u16, &'static str)> {
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

async fn send_event(app: &App, socket: &mut WebSocket, form: Form, event: &Event) -> Result<(), (u16, &'static str)> {
    let result = joined(&app.engine, form, event).await.map_err(|_| (TRY_LATER, "the store does not answer"))?;
    send(socket, envelope(app, form, event, result.as_deref())).await
}

async fn send(socket: &mut WebSocket, text: Vec<u8>) -> Result<(), (u16, &'static str)> {
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
