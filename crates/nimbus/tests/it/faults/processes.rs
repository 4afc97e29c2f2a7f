//! `kill -9` of processes under load: three that share a PostgreSQL, and the one that has a SQLite file.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    random, sandbox,
    traffic::{Address, Traffic},
};
use crate::support::{Engine, Server, Store};

#[test]
fn nothing_is_lost_when_one_of_three_processes_is_killed_a_hundred_times() {
    let store = sandbox(Engine::Postgres);
    let (second, third) = (store.beside(), store.beside());
    survive(vec![store, second, third], 100);
}

#[test]
fn nothing_is_lost_when_the_process_of_a_sqlite_file_is_killed_twenty_times() {
    survive(vec![sandbox(Engine::Sqlite)], 20);
}

/// Kills random ones of the processes on these stores so many times in all, while events go through each of them.
fn survive(stores: Vec<Store>, kills: usize) {
    let mut random = random();
    let seed = stores[0].seed();
    let servers: Vec<Server> = stores.into_iter().map(Store::serve).collect();
    let traffic = Traffic::new(&servers[0], &seed);
    let listening = |server: &Server| Some(server.staff(&seed));
    let addresses: Vec<Address> = servers.iter().map(|server| Mutex::new(listening(server))).collect();
    let left = AtomicUsize::new(kills);
    let servers: Vec<Server> = thread::scope(|scope| {
        let _stop = traffic.stop_after();
        for address in &addresses {
            let (traffic, random) = (&traffic, random.fork());
            scope.spawn(move || traffic.send(address, random));
        }
        let killers: Vec<_> = servers
            .into_iter()
            .zip(&addresses)
            .map(|(mut server, address)| {
                let (mut random, left) = (random.fork(), &left);
                scope.spawn(move || {
                    let set = |to| *address.lock().unwrap_or_else(PoisonError::into_inner) = to;
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        thread::sleep(Duration::from_millis(random.within(30, 900)));
                        let store = server.kill();
                        set(None);
                        server = store.serve();
                        set(listening(&server));
                    }
                    server
                })
            })
            .collect();
        killers.into_iter().map(|killer| killer.join().expect("a killer ends")).collect()
    });
    assert_eq!(left.load(Ordering::Relaxed), 0);
    let (answered, _) = traffic.counts();
    assert!(answered > kills, "there was no load worth the name: {answered}");
    traffic.prove(servers[0].store());
}
