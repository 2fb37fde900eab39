//! Everything that can be tested on any machine, through the real binary.
