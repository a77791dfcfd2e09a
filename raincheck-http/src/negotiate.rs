//! Which form of a resource a caller likes best, and whether it has it already (RFC 9110 sections 12 and 13).

use http::header::{ACCEPT, HeaderMap, HeaderName};

use super::prefer::split_outside_quotes;

/// Set by browsers for what they are about to show.
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Whether a page is to be shown: where a browser opens the address, or where nothing but a page is taken.
///
/// That `text/html` is liked best is not enough. Java's `HttpURLConnection` says so too (`text/html, image/gif, image/jpeg,
/// *; q=.2, */*; q=.2`) and cannot read a page. Every browser also names `application/xhtml+xml`, or says that it navigates
/// (Fetch Metadata, `Sec-Fetch-Mode`).
pub fn wants_page(headers: &HeaderMap) -> bool {
    const JSON: [&str; 2] = ["application/json", "application/problem+json"];
    if best(headers, &[JSON[0], JSON[1], "text/html"]) != Some("text/html") {
        return false;
    }
    let navigates = || headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode.as_bytes() == b"navigate");
    let is_browser = || lines(headers).flat_map(media_ranges).any(|(media, _)| media == "application/xhtml+xml");
    navigates() || is_browser() || best(headers, &JSON).is_none()
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(ACCEPT).into_iter().filter_map(|line| line.to_str().ok())
}

fn media_ranges(line: &str) -> impl Iterator<Item = (&str, u16)> {
    split_outside_quotes(line, b',').map(range)
}

/// The first of `offers` (media types, the server's favorite first) that the caller likes best; `None` when it takes
/// none of them. Without an `Accept` header the server's favorite.
pub fn best<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Option<&'a str> {
    let mut ranges = lines(headers).peekable();
    if ranges.peek().is_none() {
        return offers.first().copied();
    }
    let ranges: Vec<(&str, u16)> = ranges.flat_map(media_ranges).collect();
    let mut best = None;
    for offer in offers {
        let quality = quality(&ranges, offer);
        if quality > 0 && best.is_none_or(|(_, known)| quality > known) {
            best = Some((*offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// Whether a browser shows the answer to a person: they say so first, which is quick to see.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let first = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    first && wants_page(headers)
}

/// A media range and its quality in thousandths.
fn range(text: &str) -> (&str, u16) {
    let mut parts = split_outside_quotes(text, b';');
    let media = parts.next().unwrap_or_default().trim();
    let quality = parts.find_map(|part| part.trim().strip_prefix("q=").or_else(|| part.trim().strip_prefix("Q=")));
    let quality = quality.and_then(|q| q.parse::<f32>().ok()).unwrap_or(1.0);
    (media, (quality.clamp(0.0, 1.0) * 1_000.0) as u16)
}

/// The quality that the most specific matching range gives.
fn quality(ranges: &[(&str, u16)], offer: &str) -> u16 {
    let main = offer.split('/').next().unwrap_or_default();
    let specific = |media: &str| {
        if media.eq_ignore_ascii_case(offer) {
            3
        } else if media.strip_suffix("/*").is_some_and(|m| m.eq_ignore_ascii_case(main)) {
            2
        } else {
            u8::from(media == "*/*")
        }
    };
    let matching = ranges.iter().map(|(media, quality)| (specific(media), *quality)).filter(|(rank, _)| *rank > 0);
    matching.max_by_key(|(rank, _)| *rank).map_or(0, |(_, quality)| quality)
}

/// Whether a list of entity tags names `tag`, compared weakly; `*` names every tag.
pub fn names_tag(headers: &HeaderMap, header: http::HeaderName, tag: &str) -> bool {
    let bare = tag.trim_start_matches("W/");
    let lines = headers.get_all(header).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| split_outside_quotes(line, b','))
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept() {
        let (json, html, sse) = ("application/json", "text/html", "text/event-stream");
        for (accept, offers, expected) in [
            (None, &[json, html][..], Some(json)),
            (Some("*/*"), &[json, html], Some(json)),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), &[json, html], Some(html)),
            (Some("text/event-stream"), &[json, sse], Some(sse)),
            (Some("application/json, text/event-stream"), &[json, sse], Some(json)),
            (Some("application/json;q=0.5, text/*"), &[json, sse], Some(sse)),
            (Some("image/png"), &[json], None),
            (Some("*/*;q=0"), &[json], None),
            (Some("*/*, application/json;q=0"), &[json, html], Some(html)),
            (Some(""), &[json], None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(best(&headers, offers), expected, "{accept:?}");
        }
    }

    #[test]
    fn pages_are_for_browsers() {
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                      application/signed-exchange;v=b3;q=0.7";
        let lynx = "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01";
        let java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
        for (accept, mode, expected) in [
            (None, None, false),
            (None, Some("navigate"), false),
            (Some(firefox), None, true),
            (Some(chrome), Some("navigate"), true),
            (Some(lynx), None, true),
            (Some("text/html"), None, true),
            (Some("text/html, text/plain;q=0.5"), None, true),
            (Some("text/html;q=0.9, application/json;q=0"), None, true),
            (Some("text/html, */*;q=0.1"), Some("navigate"), true),
            (Some(java), None, false),
            (Some(java), Some("cors"), false),
            (Some("text/html, */*;q=0.1"), None, false),
            (Some("text/html;q=0.9, application/json"), None, false),
            (Some("application/xhtml+xml, application/json"), None, false),
            (Some("*/*"), Some("navigate"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, accept.parse().unwrap())));
            headers.extend(mode.map(|mode| (SEC_FETCH_MODE.clone(), mode.parse().unwrap())));
            let page = wants_page(&headers);
            assert_eq!(page, expected, "{accept:?} {mode:?}");
        }
    }

    #[test]
    fn tags() {
        for (line, named) in [("W/\"4\"", true), ("\"3\", \"4\"", true), ("*", true), ("\"40\"", false), ("4", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("if-none-match", line.parse().unwrap());
            assert_eq!(names_tag(&headers, http::header::IF_NONE_MATCH, "W/\"4\""), named, "{line}");
        }
    }
}
