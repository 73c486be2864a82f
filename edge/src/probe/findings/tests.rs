//! Tables of cases for the findings.
