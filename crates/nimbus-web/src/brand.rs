//! How this deployment presents itself: names, hosts and addresses in documents and guides.

/// The names and addresses that partners see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The platform's name: `{name} Partner API`.
    pub name: String,
    /// The name of the integration API, which partners know under another name.
    pub integration_name: String,
    /// The host of the sandbox, without a scheme.
    pub sandbox_host: String,
    /// The host of production, without a scheme.
    pub production_host: String,
    pub support_email: String,
    /// The host of the developer portal, without a scheme.
    pub developer_portal: String,
    /// The page with the terms of service; a page of the developer portal, if not given.
    pub terms_url: Option<String>,
}

impl Default for Brand {
    /// The published names.
    fn default() -> Self {
        Self {
            name: "Nimbus OS".to_owned(),
            integration_name: "NovaMed".to_owned(),
            sandbox_host: "api-sandbox.nimbus-os.com".to_owned(),
            production_host: "api.nimbus-os.com".to_owned(),
            support_email: "api@nimbus-os.com".to_owned(),
            developer_portal: "developer.nimbus-os.com".to_owned(),
            terms_url: None,
        }
    }
}

impl Brand {
    /// Where the terms of service stand.
    pub fn terms(&self) -> String {
        self.terms_url.clone().unwrap_or_else(|| format!("https://{}/terms", self.developer_portal))
    }
}
