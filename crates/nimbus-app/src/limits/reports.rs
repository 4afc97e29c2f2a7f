//! What processes tell each other of the requests that they admitted.

use std::{collections::HashMap, time::Duration};

use nimbus_core::{
    rate::{Usage, WINDOW_SECONDS},
    time::Ts,
};
use nimbus_store::{
    Engine,
    rate_usage::{self, REPORT_MAX, SUMS_MAX, Used},
};
use tokio_util::sync::CancellationToken;

use super::{Limits, Owner, locked, window_of};
use crate::{
    App,
    clock::wall,
    error::{Error, Result},
};

/// How often what was admitted is reported, and the sums of all processes are read.
pub const REPORT_EVERY: Duration = Duration::from_millis(200);
/// Rows of windows that ended longer ago are deleted, once a minute.
const KEEP_SECONDS: i64 = 2 * WINDOW_SECONDS;

impl Limits {
    /// What there is to report of windows that have not ended.
    fn unreported(&self, now: Ts) -> Vec<Used> {
        let mut rows = Vec::new();
        for shard in &self.owners {
            for (&(owner, class), usage) in &locked(shard).used {
                if usage.unreported() > 0 && usage.window().end() > now.seconds() {
                    let window_start = usage.window().start();
                    rows.push(Used { owner, class, window_start, used: usage.unreported() });
                }
            }
        }
        rows
    }

    /// Takes in the sums that a report of `told` was answered with.
    fn take_report(&self, told: &[Used], sums: &[Used]) {
        let told: HashMap<(Owner, i64), u64> =
            told.iter().map(|row| (((row.owner, row.class), row.window_start), row.used)).collect();
        for sum in sums {
            let owner = (sum.owner, sum.class);
            let Some(&told) = told.get(&(owner, sum.window_start)) else { continue };
            if let Some(usage) = locked(self.shard(sum.owner)).used.get_mut(&owner)
                && usage.window().start() == sum.window_start
            {
                usage.take_report(usage.window(), told, sum.used);
            }
        }
    }

    /// Takes in the sums of all processes, while no report of this one is on its way. Those of other windows than
    /// the present ones are of a process whose clock is ahead, or too late.
    fn hear(&self, sums: &[Used], now: Ts) {
        for sum in sums {
            let window = window_of(sum.owner, now);
            if window.start() == sum.window_start {
                let mut shard = locked(self.shard(sum.owner));
                shard.make_room(now);
                let usage = shard.used.entry((sum.owner, sum.class)).or_insert_with(|| Usage::new(window));
                usage.hear(window, sum.used);
            }
        }
    }
}

/// Reports to the other processes of a PostgreSQL deployment until it is stopped; nothing to do on SQLite.
pub async fn run(app: App, stop: CancellationToken) {
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    let mut every = tokio::time::interval(REPORT_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reporter = Reporter { purged: wall(), last_read: None };
    let mut fails = false;
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            _ = every.tick() => false,
        };
        let reported = reporter.report(&app).await;
        match (&reported, fails) {
            (Err(error), false) => tracing::error!(%error, "rate limits are not shared with other processes"),
            (Ok(()), true) => tracing::info!("rate limits are shared with other processes again"),
            _ => {}
        }
        fails = reported.is_err();
        if stopping {
            return;
        }
    }
}

/// Tells the other processes, and hears of them.
struct Reporter {
    /// When ended windows were last deleted.
    purged: Ts,
    /// The last of the sums read, within a round that one reading did not finish.
    last_read: Option<Used>,
}

impl Reporter {
    async fn report(&mut self, app: &App) -> Result<()> {
        let now = wall();
        for rows in app.limits().unreported(now).chunks(REPORT_MAX) {
            let told = rows.to_vec();
            let sums = app
                .db()
                .write(move |tx| {
                    let told = told.clone();
                    Box::pin(async move { Ok::<_, Error>(rate_usage::rate_usage_report(tx, &told).await?) })
                })
                .await?;
            app.limits().take_report(rows, &sums);
        }
        self.listen(app).await?;
        if now >= self.purged.plus_seconds(WINDOW_SECONDS) {
            let before = now.seconds() - WINDOW_SECONDS - KEEP_SECONDS;
            app.db()
                .write(move |tx| {
                    Box::pin(async move { Ok::<_, Error>(rate_usage::rate_usage_purge(tx, before).await?) })
                })
                .await?;
            self.purged = now;
        }
        Ok(())
    }

    /// Reads the sums of all for windows that have not ended, or as many of them as one reading gives.
    async fn listen(&mut self, app: &App) -> Result<()> {
        let (since, last) = (wall().seconds() - WINDOW_SECONDS + 1, self.last_read);
        let sums = app
            .db()
            .read(move |tx| {
                Box::pin(async move { Ok::<_, Error>(rate_usage::rate_usage_sums(tx, since, last).await?) })
            })
            .await?;
        app.limits().hear(&sums, wall());
        self.last_read = sums.last().copied().filter(|_| sums.len() == SUMS_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nimbus_core::rate::{Class, KeyRates, Window};

    use super::*;
    use crate::limits::tests::{limits, partner};

    /// What processes do when an interval is over: one reports to the table, then reads it.
    fn interval(limits: &Limits, table: &mut HashMap<(Owner, i64), u64>, now: Ts) {
        let told = limits.unreported(now);
        let mut sums = Vec::new();
        for row in &told {
            let sum = table.entry(((row.owner, row.class), row.window_start)).or_default();
            *sum += row.used;
            sums.push(Used { used: *sum, ..*row });
        }
        limits.take_report(&told, &sums);
        let all: Vec<Used> = table
            .iter()
            .map(|(&((owner, class), window_start), &used)| Used { owner, class, window_start, used })
            .collect();
        limits.hear(&all, now);
    }

    #[test]
    fn a_process_that_admits_nothing_hears_of_the_others_all_the_same() {
        let actor = partner(5 << 70, KeyRates { reads: None, writes: Some(60) });
        let begin = Window::of(actor.owner().as_u64_pair().1, Ts::from_micros(0)).end();
        let second = |number: i64| Ts::from_micros(0).plus_seconds(begin + number);
        let admit = |limits: &Limits, now: Ts| {
            limits.admit_at(&actor, Class::Writes, now).is_some_and(|standing| standing.admitted)
        };
        // One that has met the owner in this window, and one that has not.
        let (busy, seldom, never) = (limits(), limits(), limits());
        let mut table = HashMap::new();
        assert!(admit(&seldom, second(0)));
        for number in 0..30 {
            for limits in [&seldom, &never, &busy] {
                interval(limits, &mut table, second(number));
            }
            for _ in 0..2 {
                admit(&busy, second(number));
            }
        }
        assert!(!admit(&busy, second(30)), "59 beside the other's one");
        // One interval to report, one to hear of it.
        for limits in [&busy, &seldom, &never] {
            interval(limits, &mut table, second(30));
        }
        assert!(!admit(&seldom, second(30)));
        assert!(!admit(&never, second(30)));
        // The next window is whole again, and a clock that is ahead does not begin it for the others.
        table.insert(((actor.owner(), Class::Writes), begin + 60), 60);
        interval(&seldom, &mut table, second(59));
        assert!(!admit(&seldom, second(59)));
        assert!(admit(&busy, second(60)));
        interval(&never, &mut table, second(60));
        assert!(!admit(&never, second(60)), "the others have used it up");
    }

    #[test]
    fn a_report_is_taken_in_while_requests_go_on() {
        let limits = limits();
        let actor = partner(9 << 70, KeyRates { reads: None, writes: Some(10) });
        let before = limits.admit(&actor, Class::Writes).unwrap();
        let told = limits.unreported(wall());
        assert_eq!(told.len(), 1);
        limits.admit(&actor, Class::Writes);
        let sums: Vec<Used> = told.iter().map(|row| Used { used: 6, ..*row }).collect();
        limits.take_report(&told, &sums);
        let after = limits.admit(&actor, Class::Writes).unwrap();
        assert!(after.remaining == 2 || after.reset > before.reset, "6 reported, 2 since: {after:?}");
    }
}
