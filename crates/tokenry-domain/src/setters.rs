//! Setters of structs that are `#[non_exhaustive]`, so that other crates can create them in one expression.

/// Implements a consuming setter for each field.
macro_rules! setters {
    ($Type:ty { $($setter:ident($field:ident: $Field:ty),)* }) => {
        impl $Type {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $Field) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}
pub(crate) use setters;
