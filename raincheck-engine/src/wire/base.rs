/// What absolute links begin with, in two pieces that need no escaping, without a slash at the end.
#[derive(Clone, Copy, Debug)]
pub struct BaseUrl<'a> {
    /// The scheme with `://`, or nothing where `rest` has it.
    pub scheme: &'a str,
    /// Host, port and path, as they follow the scheme.
    pub rest: &'a [u8],
}

impl BaseUrl<'_> {
    /// Nothing: what is written is a path, to be resolved against the URL that answered (RFC 3986, section 5).
    pub const NONE: BaseUrl<'static> = BaseUrl { scheme: "", rest: b"" };

    /// What is to be the same for whoever asks begins with: a URL that was set, never the host of one request.
    #[must_use]
    pub fn for_all(self) -> Self {
        if self.scheme.is_empty() { self } else { BaseUrl::NONE }
    }
}
