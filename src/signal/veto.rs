//! A receiver's refusal.

use std::borrow::Cow;

use diesel::result::Error;

/// A refusal of a receiver, with its reason: return it as `Err(Veto::new("…").into())`.
///
/// Any other error refuses as well; this one can be told from the database's errors.
///
/// ```
/// use diesel_cache::signal::Veto;
///
/// let error: diesel::result::Error = Veto::new("the books are closed").into();
/// assert_eq!(error.to_string(), "the books are closed");
/// assert_eq!(Veto::of(&error).map(Veto::reason), Some("the books are closed"));
/// assert!(Veto::of(&diesel::result::Error::NotFound).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Veto(Cow<'static, str>);

impl Veto {
    /// A refusal for that reason. The reason is the error's text: keep secrets out of it.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }

    /// The refusal in an error of Diesel's, if it is one.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::QueryBuilderError(inner) => inner.downcast_ref(),
            _ => None,
        }
    }
}

impl From<Veto> for Error {
    fn from(veto: Veto) -> Self {
        Self::QueryBuilderError(Box::new(veto))
    }
}
