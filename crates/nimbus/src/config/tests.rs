//! Settings: what production refuses, and where links lead.

use super::*;
use crate::cli::SettingsArgs;

fn production(args: SettingsArgs) -> Settings {
    let args = SettingsArgs { environment: Some("production".to_owned()), ..args };
    Settings::load(&args).unwrap()
}

#[test]
fn production_refuses_unsafe_settings_and_says_why() {
    let settings = production(SettingsArgs {
        allow_local_webhooks: Some(true),
        rate_limit_writes: Some(0),
        retry_scale: Some("1/60".to_owned()),
        sandbox_auto_advance: Some(5),
        webhook_deadline: Some(1),
        ..SettingsArgs::default()
    });
    let refusal = settings.refuse_unsafe().unwrap_err().to_string();
    for word in [
        "allow_local_webhooks",
        "master key",
        "TLS",
        "rate limits",
        "retry_scale",
        "sandbox_auto_advance",
        "webhook_deadline",
        "pharmacy's name",
        "example accounts",
        "prices of parcels",
    ] {
        assert!(refusal.contains(word), "{word} is missing in: {refusal}");
    }
}

#[test]
fn a_receiver_has_one_to_ten_seconds() {
    let deadline = |seconds| {
        let args = SettingsArgs { webhook_deadline: seconds, ..SettingsArgs::default() };
        Settings::load(&args).unwrap().webhook_deadline().ok()
    };
    assert_eq!((deadline(None), deadline(Some(1))), (Some(Deadline::CONTRACT), Deadline::of_seconds(1)));
    assert_eq!((deadline(Some(0)), deadline(Some(11))), (None, None));
}

#[test]
fn production_with_key_and_proxy_is_accepted() {
    let rates = tempfile::tempdir().unwrap();
    let settings = production(SettingsArgs {
        master_key_file: Some("/run/secrets/master.key".into()),
        behind_proxy: Some(true),
        shipping: ShippingArgs::own(rates.path()),
        ..named_pharmacy()
    });
    assert!(settings.refuse_unsafe().is_ok());
    assert_eq!(settings.labels(None).unwrap().public_url, "https://api.nimbus-os.com");
}

fn named_pharmacy() -> SettingsArgs {
    let text = |text: &str| Some(text.to_owned());
    SettingsArgs {
        pharmacy_name: text("Example Pharmacy"),
        pharmacy_address_line_1: text("1 Sample Street"),
        pharmacy_city: text("Austin"),
        pharmacy_state: text("TX"),
        pharmacy_postal_code: text("78701"),
        pharmacy_phone: text("(512) 555-0199"),
        ..SettingsArgs::default()
    }
}

#[test]
fn half_a_pharmacy_is_none() {
    let half = SettingsArgs { pharmacy_phone: Some(" ".to_owned()), ..named_pharmacy() };
    assert!(production(half).refuse_unsafe().unwrap_err().to_string().contains("pharmacy's name"));
}

#[test]
fn links_lead_to_the_sandbox_and_outlive_the_retries() {
    let sandbox = |host: &str, hours| {
        let args =
            SettingsArgs { sandbox_host: Some(host.to_owned()), link_hours: hours, ..named_pharmacy() };
        Settings::load(&args).unwrap().labels(None)
    };
    for (host, url) in [
        ("sandbox.example.com", "https://sandbox.example.com"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(sandbox(host, None).unwrap().public_url, url);
    }
    for hours in [0, 24, 43, 721] {
        assert!(sandbox("localhost", Some(hours)).is_err(), "{hours}");
    }
    assert_eq!(sandbox("localhost", Some(48)).unwrap().link_hours, 48);
}

#[test]
fn links_of_a_sandbox_that_nobody_named_lead_to_where_it_listens() {
    let links = |args: SettingsArgs, listens: &str| {
        let listens = listens.parse::<SocketAddr>().unwrap();
        Settings::load(&args).unwrap().labels(Some(listens)).unwrap().public_url
    };
    for (listens, url) in [
        ("127.0.0.1:4711", "http://127.0.0.1:4711"),
        ("[::1]:4711", "http://[::1]:4711"),
        ("0.0.0.0:8080", "http://localhost:8080"),
        ("[::]:8080", "http://localhost:8080"),
    ] {
        assert_eq!(links(SettingsArgs::default(), listens), url);
    }
    let text = |text: &str| Some(text.to_owned());
    let named = SettingsArgs { sandbox_host: text("sandbox.example.com"), ..SettingsArgs::default() };
    let demo = Settings::load(&named).unwrap().for_demo().labels(Some("127.0.0.1:4711".parse().unwrap()));
    assert_eq!(demo.unwrap().public_url, "http://127.0.0.1:4711");
    assert_eq!(links(named, "127.0.0.1:4711"), "https://sandbox.example.com");
    let proxied = SettingsArgs { behind_proxy: Some(true), ..SettingsArgs::default() };
    assert_eq!(links(proxied, "127.0.0.1:4711"), "https://api-sandbox.nimbus-os.com");
    let production = SettingsArgs { environment: text("production"), ..SettingsArgs::default() };
    assert_eq!(links(production, "127.0.0.1:4711"), "https://api.nimbus-os.com");
}
