//! Tests of tool.
