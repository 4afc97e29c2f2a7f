//! Patient data at rest and in logs.
