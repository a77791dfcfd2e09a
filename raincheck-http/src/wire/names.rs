//! Names of members, looked at before serde says that it does not know them: it repeats them in full, and a sender may have
//! made them as long as a body.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

/// No member that is known here has a longer name, bytes.
const LONGEST: usize = 255;

/// How it is said that there is a longer one.
pub const TOO_LONG: &str = "unknown field, with a name of ";

/// The members of an object.
pub struct Members<A>(pub A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(Short(seed))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// What takes a name, given only short ones: as a seed, a deserializer and a visitor.
struct Short<T>(T);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Short<K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        self.0.deserialize(Short(deserializer))
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Short<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_str(Short(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Short<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_str(short(name)?)
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<V::Value, E> {
        self.0.visit_borrowed_str(short(name)?)
    }
}

fn short<E: Error>(name: &str) -> Result<&str, E> {
    if name.len() <= LONGEST {
        return Ok(name);
    }
    let begin: String = name.chars().take(40).collect();
    Err(E::custom(format_args!("{TOO_LONG}{} bytes that begins with {begin:?}", name.len())))
}
