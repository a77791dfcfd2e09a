//! Durable state of Raincheck behind one seam.
