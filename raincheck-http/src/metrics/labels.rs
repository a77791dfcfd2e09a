//! What tells one series of a metric from another.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use raincheck_core::State;

/// Names and values.
pub type Labels = Vec<(&'static str, String)>;

/// Sets how many jobs of a queue or kind are in each state.
pub fn set_by_state(family: &Family<Labels, Gauge>, label: &'static str, name: &str, by_state: &[u64; 7]) {
    for state in State::ALL {
        let labels = vec![(label, name.to_owned()), ("state", state.as_str().to_owned())];
        family.get_or_create(&labels).set(by_state[state as usize].cast_signed());
    }
}
