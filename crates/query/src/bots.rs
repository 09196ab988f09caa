//! Who is a program: what the user agent of an event says of it.
//!
//! In: a user agent. Out: whether it is a program's, of which kind, its name, and who runs it. A text without any is a program's, too.
//!
//! Tokens are those that the operators give their programs; the words for kinds are PostHog's. Of several tokens the one that ends first decides.
//! Ranges of addresses are not kept: a crawler that poses as a browser is taken for one.

/// What is known of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bot {
    /// `Googlebot`; empty for a text without user agent.
    pub(crate) name: &'static str,
    /// `Google`.
    pub(crate) operator: &'static str,
    /// `search_crawler`.
    pub(crate) category: &'static str,
    /// `Bot`, `AI Agent` or `Automation`.
    pub(crate) traffic: &'static str,
}

const NO_USER_AGENT: Bot = Bot { name: "", operator: "", category: "no_user_agent", traffic: "Automation" };

/// Token, name, operator.
type Known = (&'static str, &'static str, &'static str);

/// Programs by traffic and category.
const BOTS: &[(&str, &str, &[Known])] = &[
    ("AI Agent", "ai_crawler", AI_CRAWLERS),
    ("AI Agent", "ai_search", AI_SEARCH),
    ("AI Agent", "ai_assistant", AI_ASSISTANTS),
    ("Bot", "search_crawler", SEARCH),
    ("Bot", "seo_crawler", SEO),
    ("Bot", "social_crawler", SOCIAL),
    ("Bot", "monitoring", MONITORING),
    ("Bot", "http_client", SERVICES),
    ("Automation", "http_client", CLIENTS),
    ("Automation", "headless_browser", HEADLESS),
];

const AI_CRAWLERS: &[Known] = &[
    ("Amazonbot", "Amazon", "Amazon"),
    ("amazon-kendra", "Amazon Kendra", "Amazon"),
    ("anthropic-ai", "Anthropic", "Anthropic"),
    ("Brightbot", "Brightbot", "Bright Data"),
    ("Bytespider", "ByteDance", "ByteDance"),
    ("CCBot", "Common Crawl", "Common Crawl"),
    ("ClaudeBot", "Claude", "Anthropic"),
    ("Claude-Web", "Claude Web", "Anthropic"),
    ("cohere-ai", "Cohere", "Cohere"),
    ("Diffbot", "Diffbot", "Diffbot"),
    ("FirecrawlAgent", "FirecrawlAgent", "Firecrawl"),
    ("Google-Agent", "Google-Agent", "Google"),
    ("Google-CloudVertexBot", "Google Cloud Vertex", "Google"),
    ("Google-Extended", "Google AI", "Google"),
    ("GoogleOther", "GoogleOther", "Google"),
    ("GPTBot", "GPTBot", "OpenAI"),
    ("meta-externalagent", "Meta AI", "Meta"),
    ("omgili", "Webz.io", "Webz.io"),
    ("PetalBot", "Petal", "Huawei"),
    ("TikTokSpider", "TikTok AI", "ByteDance"),
    ("Timpibot", "Timpi", "Timpi"),
    ("Webzio-Extended", "Webz.io Extended", "Webz.io"),
];
const AI_SEARCH: &[Known] = &[
    ("Applebot-Extended", "Apple AI", "Apple"),
    ("Applebot/", "Applebot", "Apple"),
    ("Claude-SearchBot", "Claude Search", "Anthropic"),
    ("OAI-SearchBot", "OpenAI Search", "OpenAI"),
    ("PerplexityBot", "Perplexity", "Perplexity"),
];
const AI_ASSISTANTS: &[Known] = &[
    ("ChatGPT-User", "ChatGPT", "OpenAI"),
    ("Claude-User", "Claude User", "Anthropic"),
    ("DuckAssistBot", "DuckDuckGo AI", "DuckDuckGo"),
    ("Google-NotebookLM", "NotebookLM", "Google"),
    ("Manus-User", "Manus", "Manus"),
    ("meta-externalfetcher", "Meta Fetcher", "Meta"),
    ("Meta-ExternalFetcher", "Meta Fetcher", "Meta"),
    ("MistralAI-User", "Mistral AI", "Mistral"),
    ("Perplexity-User", "Perplexity User", "Perplexity"),
];
const SEARCH: &[Known] = &[
    ("360Spider", "360 Spider", "Qihoo 360"),
    ("AdsBot-Google", "Google Ads", "Google"),
    ("Baiduspider", "Baidu", "Baidu"),
    ("bingbot", "Bingbot", "Microsoft"),
    ("Bingbot", "Bingbot", "Microsoft"),
    ("DuckDuckBot", "DuckDuckGo", "DuckDuckGo"),
    ("Googlebot", "Googlebot", "Google"),
    ("Google-InspectionTool", "Google Inspection", "Google"),
    ("Mediapartners", "google-adsense-googlebot", "Google"),
    ("MojeekBot", "Mojeek", "Mojeek"),
    ("Qwantbot", "Qwant", "Qwant"),
    ("SeznamBot", "SeznamBot", "Seznam"),
    ("Slurp", "Yahoo", "Yahoo"),
    ("Sogou web spider", "Sogou", "Sogou"),
    ("YandexBot", "Yandex", "Yandex"),
    ("Yeti/", "Naver", "Naver"),
    ("YisouSpider", "Yisou", "Yisou"),
    ("YouBot", "You.com", "You.com"),
    ("archive.org_bot", "Internet Archive", "Internet Archive"),
    ("heritrix", "Heritrix", "image-meta.com"),
];
const SEO: &[Known] = &[
    ("AhrefsBot", "Ahrefs", "Ahrefs"),
    ("AhrefsSiteAudit", "Ahrefs Site Audit", "Ahrefs"),
    ("Barkrowler", "Barkrowler", "Babbar"),
    ("DotBot", "Moz", "Moz"),
    ("Lighthouse", "Lighthouse", "Google"),
    ("MJ12bot", "Majestic", "Majestic"),
    ("PTST", "WebPageTest", "Catchpoint"),
    ("Screaming Frog SEO Spider", "Screaming Frog", "Screaming Frog"),
    ("SemrushBot", "Semrush", "Semrush"),
    ("SERankingBacklinksBot", "SE Ranking", "SE Ranking"),
    ("serpstatbot", "Serpstat", "Serpstat"),
    ("SiteAuditBot", "Semrush Site Audit", "Semrush"),
];
const SOCIAL: &[Known] = &[
    ("BingPreview", "Bing Preview", "Microsoft"),
    ("Bluesky", "Bluesky", "Bluesky"),
    ("Discordbot", "Discord", "Discord"),
    ("FacebookBot", "Facebook Bot", "Meta"),
    ("facebookexternalhit", "Facebook", "Meta"),
    ("GoogleImageProxy", "Google Image Proxy", "Google"),
    ("Iframely", "Iframely", "Iframely"),
    ("LinkedInBot", "LinkedIn", "LinkedIn"),
    ("Pinterest", "Pinterest", "Pinterest"),
    ("SkypeUriPreview", "Skype Preview", "Microsoft"),
    ("Slackbot", "Slack", "Salesforce"),
    ("Slack-ImgProxy", "Slack Image Proxy", "Salesforce"),
    ("TelegramBot", "Telegram", "Telegram"),
    ("Twitterbot", "Twitter", "X"),
    ("WhatsApp", "WhatsApp", "Meta"),
];
const MONITORING: &[Known] = &[
    ("Better Uptime Bot", "Better Stack", "BetterStack"),
    ("Checkly", "Checkly", "Checkly"),
    ("Datadog", "Datadog", "Datadog"),
    ("GTmetrix", "GTmetrix", "GTmetrix"),
    ("HubSpot", "HubSpot Crawler", "HubSpot"),
    ("OhDear", "OhDearBot", "Oh Dear"),
    ("Pingdom", "Pingdom", "SolarWinds"),
    ("Site24x7", "Site24x7", "Zoho"),
    ("StatusCake", "StatusCake", "StatusCake"),
    ("UptimeRobot", "UptimeRobot", "UptimeRobot"),
];
const SERVICES: &[Known] = &[
    ("Amazon CloudFront", "Amazon CloudFront", "Amazon"),
    ("Google-Read-Aloud", "Google Read Aloud", "Google"),
    ("OneTrust", "OneTrust", "OneTrust"),
    ("Storebot-Google", "Google Storebot", "Google"),
];
const CLIENTS: &[Known] = &[
    ("aiohttp", "python-aiohttp", "Python"),
    ("Apache-HttpClient", "Apache HTTP", "Apache"),
    ("axios", "Axios", "axios"),
    ("curl/", "curl", "curl"),
    ("Google-Apps-Script", "Google Apps Script", "Google"),
    ("Go-http-client", "Go HTTP", "Go"),
    ("httpx", "httpx", "Python"),
    ("libwww-perl", "LWP", "Perl"),
    ("node-fetch", "Node Fetch", "Node.js"),
    ("okhttp", "OkHttp", "Square"),
    ("python-requests", "Python Requests", "Python"),
    ("Scrapy", "Scrapy", "Scrapy"),
    ("Wget", "Wget", "GNU"),
];
const HEADLESS: &[Known] = &[
    ("HeadlessChrome", "Headless Chrome", "Google"),
    ("PhantomJS", "PhantomJS", "PhantomJS"),
    ("Playwright", "Playwright", "Microsoft"),
    ("Puppeteer", "Puppeteer", "Google"),
    ("Selenium", "Selenium", "Selenium"),
];

/// The program whose user agent it is; `None` for a browser's.
pub(crate) fn bot_of(user_agent: &str) -> Option<Bot> {
    if user_agent.is_empty() {
        return Some(NO_USER_AGENT);
    }
    let known = BOTS.iter().flat_map(|(traffic, category, bots)| bots.iter().map(move |bot| (*traffic, *category, *bot)));
    let found = known.filter_map(|(traffic, category, (token, name, operator))| {
        let end = user_agent.find(token)? + token.len();
        Some((end, Bot { name, operator, category, traffic }))
    });
    found.min_by_key(|(end, _)| *end).map(|(_, bot)| bot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_browsers() {
        let name = |user_agent: &str| bot_of(user_agent).map(|bot| (bot.name, bot.operator, bot.category, bot.traffic));
        let google = Some(("Googlebot", "Google", "search_crawler", "Bot"));
        assert_eq!(name("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), google);
        assert_eq!(name("Mozilla/5.0 AppleWebKit/537.36; compatible; GPTBot/1.2"), Some(("GPTBot", "OpenAI", "ai_crawler", "AI Agent")));
        assert_eq!(name("curl/8.4.0"), Some(("curl", "curl", "http_client", "Automation")));
        assert_eq!(name(""), Some(("", "", "no_user_agent", "Automation")));
        let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";
        assert_eq!(name(browser), None);
        // The one that ends first.
        assert_eq!(name("Slackbot 1.0 curl/8 Googlebot").map(|bot| bot.0), Some("Slack"));
        assert_eq!(name("Mozilla/5.0 Applebot-Extended/1.0").map(|bot| bot.0), Some("Apple AI"));
    }

    #[test]
    fn no_token_stands_twice() {
        let mut tokens: Vec<&str> = BOTS.iter().flat_map(|(.., bots)| bots.iter().map(|bot| bot.0)).collect();
        let all = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), all);
    }
}
