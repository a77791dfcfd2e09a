//! Gives settings their types: a serde deserializer over the tree that names place and setting of every fault,
//! and collects the unknown ones instead of stopping at the first.

use std::{cell::RefCell, collections::btree_map, fmt, slice};

use serde::de::{self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};

use super::tree::{Fault, Node, Value, join, suggestion};

/// The typed form of `tree`, or everything that is wrong with it.
pub fn read<T: DeserializeOwned>(tree: &Node) -> Result<T, Vec<Fault>> {
    let faults = RefCell::default();
    let read = T::deserialize(Reader { node: tree, path: String::new(), faults: &faults });
    let mut faults = faults.into_inner();
    match read {
        Ok(value) if faults.is_empty() => Ok(value),
        Ok(_) => Err(faults),
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

struct Reader<'a> {
    node: &'a Node,
    path: String,
    faults: &'a RefCell<Vec<Fault>>,
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { origin: None, path: String::new(), message: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(raincheck_http::mistyped(&found.to_string(), &expected.to_string()))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

impl<'a> Reader<'a> {
    fn fault(&self, message: String) -> Fault {
        Fault { origin: Some(self.node.origin.clone()), path: self.path.clone(), message }
    }

    fn expected(&self, what: &str) -> Fault {
        self.fault(format!("must be {what}, not {}", self.node.value.describe()))
    }

    /// Names the place of a fault that a type of ours reported without knowing where it is.
    fn placed<T>(result: Result<T, Fault>, node: &Node, path: &str) -> Result<T, Fault> {
        result.map_err(|fault| match fault.origin {
            Some(_) => fault,
            None => Fault { origin: Some(node.origin.clone()), path: path.to_owned(), ..fault },
        })
    }

    fn parsed<T: std::str::FromStr>(&self, text: &str, what: &str) -> Result<T, Fault> {
        text.trim().parse().map_err(|_| self.fault(format!("must be {what}, not `{text}`")))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let (node, path) = (self.node, self.path.clone());
            let result = match &node.value {
                Value::Integer(number) => visitor.visit_i64(*number),
                Value::Float(number) => visitor.visit_f64(*number),
                Value::Loose(text) if text.contains('.') => visitor.visit_f64(self.parsed(text, "a number")?),
                Value::Loose(text) => visitor.visit_i64(self.parsed(text, "a number")?),
                _ => return Err(self.expected("a number")),
            };
            Reader::placed(result, node, &path)
        }
    )* };
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
    deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Value::Text(text) | Value::Loose(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Table(_) => return self.deserialize_map(visitor),
        };
        Self::placed(result, self.node, &self.path)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::Loose(text) => visitor.visit_bool(self.parsed(text, "true or false")?),
            _ => Err(self.expected("true or false")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Text(text) | Value::Loose(text) => Self::placed(visitor.visit_str(text), self.node, &self.path),
            _ => Err(self.expected("a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let (node, path) = (self.node, self.path.clone());
        Self::placed(visitor.visit_newtype_struct(self), node, &path)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(items) => visitor.visit_seq(Items { rest: items.iter(), of: &self, index: 0 }),
            // From the environment: separated by commas.
            Value::Loose(text) => {
                let items: Vec<&str> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
                Self::placed(visitor.visit_seq(items.into_deserializer()), self.node, &self.path)
            }
            _ => Err(self.expected("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Table(table) = &self.node.value else { return Err(self.expected("a table")) };
        visitor.visit_map(Members { rest: table.iter(), known: None, next: None, of: &self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Table(table) = &self.node.value else { return Err(self.expected("a table")) };
        for (key, node) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            self.faults.borrow_mut().push(Fault {
                origin: Some(node.origin.clone()),
                path: join(&self.path, key),
                message: format!("there is no such setting; {}", suggestion(key, known)),
            });
        }
        visitor.visit_map(Members { rest: table.iter(), known: Some(known), next: None, of: &self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (Value::Text(text) | Value::Loose(text)) = &self.node.value else { return Err(self.expected("a text")) };
        if !variants.contains(&text.as_str()) {
            return Err(self.fault(format!(
                "`{text}` is not one of {}; {}",
                variants.join(", "),
                suggestion(text, variants)
            )));
        }
        visitor.visit_enum(text.as_str().into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'a, 'b> {
    rest: slice::Iter<'a, Node>,
    of: &'b Reader<'a>,
    index: usize,
}

impl<'a> de::SeqAccess<'a> for Items<'a, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let path = format!("{}[{}]", self.of.path, self.index);
        self.index += 1;
        let reader = Reader { node, path: path.clone(), faults: self.of.faults };
        Reader::placed(seed.deserialize(reader), node, &path).map(Some)
    }
}

struct Members<'a, 'b> {
    rest: btree_map::Iter<'a, String, Node>,
    known: Option<&'static [&'static str]>,
    next: Option<(&'a str, &'a Node)>,
    of: &'b Reader<'a>,
}

impl<'a> de::MapAccess<'a> for Members<'a, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let known = self.known;
        let Some((key, node)) = self.rest.find(|(key, _)| known.is_none_or(|known| known.contains(&key.as_str())))
        else {
            return Ok(None);
        };
        self.next = Some((key, node));
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (key, node) = self.next.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        let path = join(&self.of.path, key);
        let reader = Reader { node, path: path.clone(), faults: self.of.faults };
        Reader::placed(seed.deserialize(reader), node, &path)
    }
}
