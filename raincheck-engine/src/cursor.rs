use raincheck_core::Cursor;

use crate::Engine;

impl Engine {
    /// A cursor as text for clients: opaque, signed with this store's secret.
    pub fn encode_cursor(&self, cursor: Cursor) -> String {
        self.0.keys.cursor_text(cursor)
    }

    /// The cursor behind a text of [`Engine::encode_cursor`], or `None` for any other text.
    pub fn decode_cursor(&self, text: &str) -> Option<Cursor> {
        self.0.keys.cursor(text)
    }
}
