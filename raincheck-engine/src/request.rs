use raincheck_core::{Batch, Content, Digest, Invalid, JobRequest, NewJob, Payload, Sameness, digest, resolve};

use crate::Engine;
use crate::wire::{JsonError, canonical, check_json};

/// All that is wrong with a request, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is not valid: {}", .0.iter().map(Invalid::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidRequest(pub Vec<Invalid>);

impl Engine {
    /// The job that `request` asks for, by the engine's defaults, but for its input; or all that is wrong with it.
    pub fn resolve(&self, request: &JobRequest<'_>) -> Result<NewJob, Vec<Invalid>> {
        resolve(request, &self.defaults(), || self.now(), |queue| self.queue(queue).is_some())
    }

    /// The same with its input, and with all that it is compared by: ready for [`Engine::submit`]. Under one key it is the
    /// same request as one that came by HTTP with the same members.
    pub fn new_job(&self, request: &JobRequest<'_>, input: Content) -> Result<NewJob, InvalidRequest> {
        self.made(request, input, false)
    }

    fn made(&self, request: &JobRequest<'_>, input: Content, of_batch: bool) -> Result<NewJob, InvalidRequest> {
        let mut new = self.resolve(request).map_err(InvalidRequest)?;
        new.of_batch = of_batch;
        let not_json = |error| InvalidRequest(vec![Invalid::new("input", format!("is {error}"))]);
        let sameness = sameness(&input).map_err(not_json)?;
        new.spec.input = input;
        compare(&mut new, request, &sameness);
        Ok(new)
    }
}

impl Engine {
    /// Jobs like those of [`Engine::new_job`] that go by one name together: ready for [`Engine::submit_batch`]. `id` is the
    /// request id. An error names the request that is not valid; that the id is not is said of the first.
    pub fn new_batch<'r>(
        &self,
        id: &str,
        requests: impl IntoIterator<Item = (JobRequest<'r>, Content)>,
    ) -> Result<Batch, (usize, InvalidRequest)> {
        Batch::check_id(id).map_err(|invalid| (0, InvalidRequest(vec![invalid])))?;
        let made = requests
            .into_iter()
            .enumerate()
            .map(|(index, (request, input))| self.made(&request, input, true).map_err(|invalid| (index, invalid)));
        Ok(Batch::new(id, made.collect::<Result<_, _>>()?))
    }
}

/// Works out what a job is compared by, where there is anything; it was resolved from `request` and has its input.
pub fn compare(new: &mut NewJob, request: &JobRequest<'_>, input: &Sameness) {
    new.compare_by(request, input, canonical);
}

/// By what an input is the same as another: small JSON by its canonical form, anything else by its bytes.
///
/// # Errors
/// When it should be JSON and is not.
pub fn sameness(input: &Content) -> Result<Sameness, JsonError> {
    Ok(match (&input.payload, &input.content_type) {
        (Payload::Empty, _) => Sameness::Empty,
        (Payload::Inline(text), None) => {
            check_json(text)?;
            Sameness::Text(text.clone())
        }
        (Payload::Inline(bytes), Some(_)) if input.digest == Digest::default() => Sameness::Bytes(digest(bytes)),
        (Payload::Inline(_) | Payload::Blob { .. }, _) => Sameness::Bytes(input.digest),
    })
}
