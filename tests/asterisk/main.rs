//! What needs a real Asterisk 22.
