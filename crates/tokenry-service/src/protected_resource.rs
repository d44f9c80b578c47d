//! [`ProtectedResource`]: what clients of OAuth may know about guarded routes (RFC 9728).

use std::{net::Ipv4Addr, sync::Arc};

use thiserror::Error;
use url::{Host, Url};

/// The start of every path of this metadata (RFC 9728, section 3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The longest URL or scope in bytes, and the longest list. They bound the metadata and the header that names it.
const MAX_LEN: usize = 512;
const MAX_SERVERS: usize = 8;
const MAX_SCOPES: usize = 64;

/// A protected resource whose tokens an authorization server issues, so that clients such as those of MCP find the server by
/// themselves: the challenges of guarded routes name the URL of this metadata. Cheap to clone.
///
/// Name only servers whose tokens the guarded routes accept.
///
/// ```
/// use tokenry_service::ProtectedResource;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let servers = ["https://id.example.com"];
/// let resource = ProtectedResource::new("https://mcp.example.com/mcp", servers, ["notes:read"])?;
/// assert_eq!(
///     resource.metadata_url(),
///     "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
/// );
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource(Arc<Metadata>);

#[derive(Debug, PartialEq, Eq)]
struct Metadata {
    resource: String,
    authorization_servers: Vec<String>,
    scopes: Vec<String>,
    url: Arc<str>,
    path: String,
}

/// Why the description of a protected resource is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtectedResourceError {
    /// The resource is not such a URL.
    #[error(
        "must be the URL that clients are configured with, such as https://mcp.example.com/mcp: https (or http on this \
         machine), in its normal form, without user name, query and fragment"
    )]
    Resource,
    /// There is no authorization server, or more than eight, or one is not such a URL.
    #[error(
        "must be one to eight issuers such as https://id.example.com: https (or http on this machine), in their normal \
         form, without user name, query and fragment"
    )]
    AuthorizationServers,
    /// There are more than 64 scopes, or one is not a scope of OAuth.
    #[error("must be at most 64 scopes of visible ASCII without spaces, quotes and backslashes")]
    Scopes,
}

impl ProtectedResource {
    /// The resource with the URL that clients use, its authorization servers by their issuers, and the scopes that a client
    /// may ask them for.
    ///
    /// # Errors
    /// [`ProtectedResourceError`].
    pub fn new<T: Into<String>>(
        resource: impl Into<String>,
        authorization_servers: impl IntoIterator<Item = T>,
        scopes: impl IntoIterator<Item = T>,
    ) -> Result<Self, ProtectedResourceError> {
        let resource = resource.into();
        let url = web_url(&resource).ok_or(ProtectedResourceError::Resource)?;
        let authorization_servers: Vec<String> = authorization_servers.into_iter().map(Into::into).collect();
        let is_server = |server: &String| web_url(server).is_some();
        if !(1..=MAX_SERVERS).contains(&authorization_servers.len())
            || !authorization_servers.iter().all(is_server)
        {
            return Err(ProtectedResourceError::AuthorizationServers);
        }
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        if scopes.len() > MAX_SCOPES || !scopes.iter().all(|scope| is_scope(scope)) {
            return Err(ProtectedResourceError::Scopes);
        }
        let suffix = if url.path() == "/" { "" } else { url.path() };
        let path = format!("{WELL_KNOWN}{suffix}");
        let origin = url.origin().ascii_serialization();
        let url = format!("{origin}{path}").into();
        Ok(Self(Arc::new(Metadata { resource, authorization_servers, scopes, url, path })))
    }

    /// The URL that clients use: the resource identifier.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// The issuers of the authorization servers.
    #[must_use]
    pub fn authorization_servers(&self) -> &[String] {
        &self.0.authorization_servers
    }

    /// The scopes that a client may ask for.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The URL of the metadata, which challenges name (RFC 9728, section 5.1).
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.0.url
    }

    /// Whether the metadata is at this path: that of its URL, or the same without the path of the resource, where clients
    /// look that have seen no challenge.
    #[must_use]
    pub fn is_metadata_path(&self, path: &str) -> bool {
        path == self.0.path || path == WELL_KNOWN
    }

    pub(crate) fn shared_metadata_url(&self) -> Arc<str> {
        self.0.url.clone()
    }
}

/// A URL of these rules in its normal form, so that each client compares the same text.
fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_LEN)?;
    let is_secure = match url.scheme() {
        "https" => true,
        "http" => is_this_machine(url.host()?),
        _ => false,
    };
    // SECURITY: a URL that differs from its normal form could have quotation marks, which end the value in a header.
    let is_normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte));
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_bare = url.query().is_none() && url.fragment().is_none() && !has_user;
    (is_secure && is_normal && is_plain && is_bare).then_some(url)
}

fn is_this_machine(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => Ipv4Addr::is_loopback(&address),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> Result<ProtectedResource, ProtectedResourceError> {
        ProtectedResource::new(text, ["https://id.test"], [])
    }

    /// RFC 9728, section 3.1: the well-known part is between host and path.
    #[test]
    fn the_metadata_is_between_the_host_and_the_path_of_the_resource() {
        for (text, url) in [
            ("https://mcp.test", "https://mcp.test/.well-known/oauth-protected-resource"),
            ("https://mcp.test/", "https://mcp.test/.well-known/oauth-protected-resource"),
            ("https://mcp.test/a/mcp", "https://mcp.test/.well-known/oauth-protected-resource/a/mcp"),
            ("https://mcp.test/mcp/", "https://mcp.test/.well-known/oauth-protected-resource/mcp/"),
            ("http://127.0.0.1:8081/mcp", "http://127.0.0.1:8081/.well-known/oauth-protected-resource/mcp"),
            ("http://[::1]:81/%C3%A4", "http://[::1]:81/.well-known/oauth-protected-resource/%C3%A4"),
        ] {
            let resource = resource(text).unwrap();
            assert_eq!((resource.resource(), resource.metadata_url()), (text, url));
            let path = &url[url.find("/.well-known").unwrap()..];
            assert!(resource.is_metadata_path(path) && resource.is_metadata_path(WELL_KNOWN), "{path}");
            for other in ["/", "/.well-known", &format!("{path}x"), &format!("{path}/x"), "/.well-known/"] {
                assert!(!resource.is_metadata_path(other), "{other}");
            }
        }
    }

    #[test]
    fn a_resource_that_clients_may_read_differently_is_refused() {
        let long = format!("https://mcp.test/{}", "a".repeat(MAX_LEN));
        for text in [
            "",
            "mcp.test",
            "/mcp",
            "http://mcp.test/mcp",
            "http://10.0.0.1/mcp",
            "ftp://localhost/mcp",
            "javascript:alert(1)",
            "https://MCP.test/mcp",
            "https://mcp.test:443/mcp",
            "https://mcp.test/a/../mcp",
            "https://mcp.test/mcp?x",
            "https://mcp.test/mcp#x",
            "https://user@mcp.test/mcp",
            "https://mcp.test/\"",
            "https://mcp.test/\\",
            "https://mcp.test/a b",
            "https://mcp.test/a\r\nx: y",
            "https://mcp.test/ä",
            &long,
        ] {
            assert_eq!(resource(text).err(), Some(ProtectedResourceError::Resource), "{text:?}");
            let issuer = ProtectedResource::new("https://mcp.test", [text], []).err();
            assert_eq!(issuer, Some(ProtectedResourceError::AuthorizationServers), "{text:?}");
        }
    }

    #[test]
    fn a_resource_has_an_authorization_server_and_scopes_of_oauth() {
        let with = |servers: usize, scopes: &[&str]| {
            let servers = (0..servers).map(|number| format!("https://id{number}.test"));
            ProtectedResource::new("https://mcp.test", servers, scopes.iter().map(ToString::to_string)).err()
        };
        assert_eq!(with(1, &[]), None);
        assert_eq!(with(8, &["notes:read", "*"]), None);
        assert_eq!(with(0, &[]), Some(ProtectedResourceError::AuthorizationServers));
        assert_eq!(with(9, &[]), Some(ProtectedResourceError::AuthorizationServers));
        for scope in ["", "a b", "a\"", "a\\", "ä", "a\n"] {
            assert_eq!(with(1, &[scope]), Some(ProtectedResourceError::Scopes), "{scope:?}");
        }
        assert_eq!(with(1, &["a"; 65]), Some(ProtectedResourceError::Scopes));
    }
}
