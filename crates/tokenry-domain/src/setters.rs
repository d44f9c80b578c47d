//! Setters of structs that are `#[non_exhaustive]`, so that other crates can create them in one expression. Exported for
//! the structs of the service; not part of the public interface.

/// Writes a consuming setter for each field of a struct.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($($setter:ident($name:ident: $type:ty)),* $(,)?) => {$(
        #[doc = concat!("Sets `", stringify!($name), "`.")]
        #[must_use]
        pub fn $setter(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }
    )*};
}

/// The same for optional fields: a setter takes the value, or an `Option`.
#[doc(hidden)]
#[macro_export]
macro_rules! optional_setters {
    ($($setter:ident($name:ident: $type:ty)),* $(,)?) => {$(
        #[doc = concat!("Sets `", stringify!($name), "`.")]
        #[must_use]
        pub fn $setter(mut self, $name: impl Into<Option<$type>>) -> Self {
            self.$name = $name.into();
            self
        }
    )*};
}
