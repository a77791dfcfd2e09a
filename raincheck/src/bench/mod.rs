//! `raincheck bench`.
