//! Setters of requests and settings.

/// Writes a consuming setter for each field of a struct.
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

pub(crate) use {optional_setters, setters};
