//! What certificates say, for people: facts of one certificate and of a chain.

/// Facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertInfo {
    /// The subject.
    pub subject: String,
}

impl CertInfo {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// It is none.
    pub fn of_der(der: &[u8]) -> Result<Self, std::fmt::Error> {
        let _ = der;
        Err(std::fmt::Error)
    }
}
