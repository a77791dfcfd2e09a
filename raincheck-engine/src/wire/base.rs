/// What absolute links begin with, in two pieces that need no escaping, without a slash at the end.
#[derive(Clone, Copy, Debug)]
pub struct BaseUrl<'a> {
    /// The scheme with `://`, or nothing where `rest` has it.
    pub scheme: &'a str,
    /// Host, port and path, as they follow the scheme.
    pub rest: &'a [u8],
}
