//! Lists as PostHog's clients read them: `{count, next, previous, results}`, by `limit` and `offset`.

use axum::extract::{FromRequestParts, OriginalUri};
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body::Params;
use crate::error::ApiError;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// Entries of the whole list.
    count: usize,
    /// Address of the next page.
    next: Option<String>,
    /// Address of the page before.
    previous: Option<String>,
    /// Entries of this page.
    results: Vec<T>,
}

/// `limit` and `offset` of a request, and its address.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    base: String,
    uri: Uri,
}

/// Where in a list to begin and how much to take.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Entries of a page, 1 to 1000. Default: 100.
    limit: Option<usize>,
    /// Entries to leave out. Default: 0.
    offset: Option<usize>,
}

impl<S: Send + Sync> FromRequestParts<S> for Cursor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Params(params) = Params::<PageParams>::from_request_parts(parts, state).await?;
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0).clone();
        let limit = params.limit.filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        Ok(Self { limit, offset: params.offset.unwrap_or(0), base: base_of(&parts.headers), uri })
    }
}

impl Cursor {
    /// The same with pages of `limit`, up to `max`.
    pub(crate) fn with_limit(self, limit: Option<usize>, max: usize) -> Self {
        Self { limit: limit.filter(|limit| *limit > 0).map_or(self.limit, |limit| limit.min(max)), ..self }
    }

    /// The page of `all` that was asked for.
    pub(crate) fn cut<T>(&self, all: impl ExactSizeIterator<Item = T>) -> Page<T> {
        let count = all.len();
        self.page(count, all.skip(self.offset).take(self.limit).collect())
    }

    /// A page of a list of `count` entries that was cut already.
    pub(crate) fn page<T>(&self, count: usize, results: Vec<T>) -> Page<T> {
        let after = self.offset.saturating_add(self.limit);
        let next = (after < count).then(|| self.address(after));
        let previous = (self.offset > 0).then(|| self.address(self.offset.saturating_sub(self.limit)));
        Page { count, next, previous, results }
    }

    /// This request's address with the number of another page, for lists that count pages.
    pub(crate) fn address_of_page(&self, page: usize, limit: usize) -> String {
        let pairs = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.filter(|(name, _)| !matches!(name.as_ref(), "limit" | "page" | "personal_api_key")));
        query.append_pair("limit", &limit.to_string()).append_pair("page", &page.to_string());
        format!("{}{}?{}", self.base, self.uri.path(), query.finish())
    }

    /// This request's address with another value of one parameter, from the list's beginning.
    pub(crate) fn address_with(&self, name: &str, value: &str) -> String {
        let pairs = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.filter(|(of, _)| of != name && !matches!(of.as_ref(), "limit" | "offset" | "personal_api_key")));
        query.append_pair("limit", &self.limit.to_string()).append_pair(name, value);
        format!("{}{}?{}", self.base, self.uri.path(), query.finish())
    }

    /// This request's address with another offset.
    fn address(&self, offset: usize) -> String {
        let pairs = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        let mut query = form_urlencoded::Serializer::new(String::new());
        // The key is left out: addresses end up in logs.
        query.extend_pairs(pairs.filter(|(name, _)| !matches!(name.as_ref(), "limit" | "offset" | "personal_api_key")));
        query.append_pair("limit", &self.limit.to_string());
        if offset > 0 {
            query.append_pair("offset", &offset.to_string());
        }
        format!("{}{}?{}", self.base, self.uri.path(), query.finish())
    }
}

/// Scheme and host that the client used.
fn base_of(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    text(header::HOST.as_str()).map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(limit: usize, offset: usize) -> Cursor {
        Cursor { limit, offset, base: "http://h".to_owned(), uri: "/api/x/?search=a%20b&offset=1&personal_api_key=k".parse().expect("uri") }
    }

    #[test]
    fn pages_follow_each_other() {
        let page = cursor(2, 0).cut(0..5);
        assert_eq!((page.count, page.results, page.previous), (5, vec![0, 1], None));
        assert_eq!(page.next.as_deref(), Some("http://h/api/x/?search=a+b&limit=2&offset=2"));
        let page = cursor(2, 4).cut(0..5);
        assert_eq!((page.next, page.results), (None, vec![4]));
        assert_eq!(page.previous.as_deref(), Some("http://h/api/x/?search=a+b&limit=2&offset=2"));
        let page = cursor(2, 1).cut(0..2);
        assert_eq!(page.previous.as_deref(), Some("http://h/api/x/?search=a+b&limit=2"));
    }
}
