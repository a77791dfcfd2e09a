use raincheck_core::Place;

use crate::Engine;

impl Engine {
    /// A place in the feed as text for clients: opaque, signed with this store's secret.
    pub fn encode_cursor(&self, place: impl Into<Place>) -> String {
        self.0.keys.cursor_text(place.into())
    }

    /// The place behind a text of [`Engine::encode_cursor`], or `None` for any other text.
    pub fn decode_cursor(&self, text: &str) -> Option<Place> {
        self.0.keys.cursor(text)
    }
}
