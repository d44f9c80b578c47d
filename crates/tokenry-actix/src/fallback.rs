//! Responses to requests without a handler: 404 for an unknown path, 405 with `Allow` for a known one.

use actix_web::{
    FromRequest, Handler, HttpRequest, Resource, Responder, Route,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::header::CACHE_CONTROL,
    middleware::DefaultHeaders,
    web,
};

use crate::error::ApiError;

/// The default service of an app or scope: 404 with a problem body.
#[must_use]
pub fn not_found() -> Route {
    web::to(async || Err::<&str, _>(ApiError::NotFound))
}

/// One path with its methods. GET includes HEAD; every other method gets 405 with `Allow`.
///
/// The route macros and `App::route` respond with 404 to a wrong method on a known path instead.
///
/// ```
/// use actix_web::{App, web};
/// use tokenry_actix::fallback::Endpoint;
/// async fn list() -> &'static str { "all" }
/// async fn create() -> &'static str { "one more" }
/// let app = App::new().service(Endpoint::new("/tokens").get(list).post(create));
/// ```
#[must_use = "does nothing until it is registered as a service"]
pub struct Endpoint {
    resource: Resource,
    allow: Vec<&'static str>,
    wrap: Box<dyn Fn(Route) -> Route>,
    outer: Box<dyn Fn(Route) -> Route>,
    is_uncached: bool,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $names:expr, $guard:expr;)*) => {$(
        $(#[$doc])*
        pub fn $method<F, Args>(self, handler: F) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.add(&$names, web::route().guard($guard).to(handler))
        }
    )*};
}

impl Endpoint {
    /// The path, as [`web::resource`] takes it.
    pub fn new(path: &str) -> Self {
        Self {
            resource: web::resource(path),
            allow: Vec::new(),
            wrap: Box::new(unwrapped),
            outer: Box::new(unwrapped),
            is_uncached: false,
        }
    }

    /// Wraps the methods that are added next, but not the 405 response.
    #[cfg(feature = "route-quotas")]
    pub(crate) fn wrapped(self, wrap: impl Fn(Route) -> Route + 'static) -> Self {
        Self { wrap: Box::new(wrap), ..self }
    }

    /// Wraps the methods that are added next, outside of [`wrapped`](Self::wrapped), and the 405 response.
    pub(crate) fn wrapped_outside(self, outer: impl Fn(Route) -> Route + 'static) -> Self {
        Self { outer: Box::new(outer), ..self }
    }

    /// Gives every response `Cache-Control: no-store`, unless the handler sets another one.
    pub(crate) fn uncached(self) -> Self {
        Self { is_uncached: true, ..self }
    }

    /// Adds data that only requests to this path see.
    pub(crate) fn app_data<T: 'static>(self, data: T) -> Self {
        Self { resource: self.resource.app_data(data), ..self }
    }

    methods! {
        /// Handles GET and HEAD. actix-web omits the body of a response to HEAD.
        get ["GET", "HEAD"], guard::Any(guard::Get()).or(guard::Head());
        /// Handles POST.
        post ["POST"], guard::Post();
        /// Handles PUT.
        put ["PUT"], guard::Put();
        /// Handles PATCH.
        patch ["PATCH"], guard::Patch();
        /// Handles DELETE.
        delete ["DELETE"], guard::Delete();
    }

    /// Handles every method, including unknown ones.
    pub fn any<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(&[], web::route().to(handler))
    }

    fn add(mut self, names: &[&'static str], route: Route) -> Self {
        self.allow.extend(names);
        self.resource = self.resource.route((self.outer)((self.wrap)(route)));
        self
    }
}

fn unwrapped(route: Route) -> Route {
    route
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let allow = self.allow.join(", ");
        let reject = web::to(move |_: HttpRequest| {
            let allow = allow.clone();
            async { Err::<&str, _>(ApiError::MethodNotAllowed { allow }) }
        });
        let resource = self.resource.default_service((self.outer)(reject));
        if self.is_uncached {
            resource.wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store"))).register(config);
        } else {
            resource.register(config);
        }
    }
}
