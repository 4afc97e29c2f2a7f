//! How the demo tells what happens: requests, replies and webhooks, in colour on a terminal.

use std::{io::IsTerminal, path::Path};

use anstyle::{AnsiColor, Style};
use nimbus_app::sandbox::Seed;

pub(super) struct Story {
    colours: bool,
}

impl Story {
    pub(super) fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn colour(&self, colour: AnsiColor, text: &str) -> String {
        self.paint(colour.on_default(), text)
    }

    pub(super) fn title(&self, text: &str) {
        println!("{}", self.paint(Style::new().bold(), text));
    }

    pub(super) fn chapter(&self, number: usize, of: usize, text: &str) {
        println!("\n{}", self.paint(Style::new().bold(), &format!("[{number}/{of}] {text}")));
    }

    pub(super) fn request(&self, who: &str, method: &str, path: &str) {
        println!("  {} {who:<7} {method} {path}", self.colour(AnsiColor::Cyan, "→"));
    }

    pub(super) fn reply(&self, status: u16, text: &str) {
        let colour = if status < 400 { AnsiColor::Green } else { AnsiColor::Yellow };
        println!(
            "  {} {} {text}",
            self.colour(AnsiColor::Cyan, "←"),
            self.colour(colour, &status.to_string())
        );
    }

    pub(super) fn webhook(&self, event_type: &str, detail: &str, verdict: &Result<(), String>) {
        let verdict = match verdict {
            Ok(()) => self.colour(AnsiColor::Green, "signature ok"),
            Err(why) => self.colour(AnsiColor::Red, &format!("REFUSED: {why}")),
        };
        println!(
            "  {} {event_type:<24} {detail:<32} {verdict}",
            self.colour(AnsiColor::Magenta, "⇐ webhook")
        );
    }

    pub(super) fn line(&self, text: &str) {
        println!("  {text}");
    }

    pub(super) fn what_next(&self, base: &str, seed: &Seed, data_dir: &Path) {
        self.title("\nThe sandbox keeps serving. Ctrl-C stops it.");
        println!("  API              {base}/api/external");
        println!("  operations       {base}/api/pharmacy");
        println!("  integration key  {}", seed.integration_key);
        println!("  partner key      {}", seed.pharmacy_partner_key);
        println!("  operations token {}", seed.ops_token);
        println!("  data             {}", data_dir.display());
        self.line("Orders now advance by themselves, a step every five seconds.");
        self.title("\nTry next:");
        println!("  curl -s -H 'X-API-Key: {}' {base}/api/external/medication-order", seed.integration_key);
        println!("  curl -s -H 'X-API-Key: {}' {base}/api/external/clinic", seed.integration_key);
        println!("  curl -s -H 'Authorization: Bearer {}' {base}/api/pharmacy/orders", seed.ops_token);
        println!("  curl -s -H 'X-API-Key: {}' {base}/api/external/sandbox/fixtures", seed.integration_key);
    }
}
