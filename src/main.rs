//! Parses the command line, dispatches, and ends with the status.

fn main() {}
