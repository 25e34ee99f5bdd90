//! Test support: report.
